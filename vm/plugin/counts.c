// SPDX-License-Identifier: GPL-2.0
/*
 * counts: a plug-in of QEMU that counts the instructions a guest executes, by their addresses, between marks.
 *
 * A mark is the instruction movabs $(MARK | kind), %r64 in any program of the guest: in a Go function, or in a BPF program as a
 * 64-bit constant, which the kernel's JIT compiles to the same bytes. So no address need be known, and the guest executes the same
 * instructions whether QEMU has this plug-in or not.
 *
 * Each instruction adds one to the counter of its translation block, in code that QEMU inlines. An instruction that faults counts
 * again when it is repeated. Counted by blocks as a whole, those that a page fault or an access to a device leaves early would count
 * twice.
 *
 * Before the first window, blocks without a mark are translated without counters. The mark that opens it has QEMU forget all translated
 * code (qemu_plugin_reset), which it does before the next block; the mark's own block has counters. From then on all blocks have: to
 * translate everything anew after each window takes longer than to count between windows.
 *
 * Output, to the file that the argument "out" names: at each mark a record of 64-bit words in the machine's byte order: the kind,
 * the number of blocks, and of each three words: the address of its first instruction, the instructions executed since the last mark,
 * and how often it was entered. Only laps and ends of windows have blocks. Address 0 stands for blocks beyond the first MAX_BLOCKS.
 *
 * The functions of QEMU are declared here, as its header is not part of distributions' packages: version 1 of the interface, in
 * QEMU 4.2 to 9.0. The plug-in needs no library: what it calls of the C library is in QEMU's process.
 */
#include <stddef.h>
#include <stdint.h>

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info;

enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*cb)(uint64_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, enum qemu_plugin_op op, void *ptr,
						uint64_t imm);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, void (*cb)(unsigned int cpu, void *data),
					    enum qemu_plugin_cb_flags flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t at);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
void qemu_plugin_reset(uint64_t id, void (*cb)(uint64_t id));

int open(const char *path, int flags, ...);
long write(int fd, const void *data, size_t size);
void *mmap(void *addr, size_t size, int prot, int flags, int fd, long offset);

#define O_WRONLY			1
#define PROT_READ_WRITE			3
#define MAP_PRIVATE_ANONYMOUS_NORESERVE 0x4022

EXPORT int qemu_plugin_version = 1;

/* The high 56 bits of a mark's constant. The low 8 are its kind. */
#define MARK	   0x6b786c61626d6b00ULL
#define MARK_BEGIN 0
#define MARK_LAP   1
#define MARK_END   2

/* Kinds from here on are no marks. */
#define MARK_KINDS 5

#define MAX_BLOCKS (1U << 21)
#define BUCKETS	   (4 * MAX_BLOCKS)

struct block {
	uint64_t address;
	uint64_t executed; /* instructions, since the guest began */
	uint64_t before; /* of them, up to the last mark */
	uint64_t entered;
	uint64_t entered_before;
};

/* blocks[0] stands for those that have no place. */
static struct block *blocks;
static uint32_t used = 1;
static uint32_t *buckets; /* index of a block, or 0 */
static int out = -1;

static uint64_t self; /* the plug-in's name in QEMU */
static int counting; /* a window has been opened */

/* The block that begins at an address. The same address in another address space is the same block. */
static struct block *find(uint64_t address)
{
	uint32_t at = (address * 0x9e3779b97f4a7c15ULL) >> 32;

	for (;; at++) {
		uint32_t *bucket = &buckets[at % BUCKETS];

		if (!*bucket) {
			if (used == MAX_BLOCKS)
				return &blocks[0];
			*bucket = used;
			blocks[used].address = address;
			return &blocks[used++];
		}
		if (blocks[*bucket].address == address)
			return &blocks[*bucket];
	}
}

static void put(const void *data, size_t size)
{
	while (size) {
		long n = write(out, data, size);

		if (n <= 0) {
			out = -1; /* the reader finds a record that is cut short */
			return;
		}
		data = (const char *)data + n;
		size -= n;
	}
}

static void translate(uint64_t id, struct qemu_plugin_tb *tb);

/* Translated code is forgotten, and so are the plug-in's callbacks. */
static void start(uint64_t id)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
}

static void mark(unsigned int cpu, void *data)
{
	static uint64_t buffer[3 * 4096];
	uint64_t head[2] = {(uintptr_t)data, 0};
	int told = head[0] == MARK_LAP || head[0] == MARK_END;
	size_t n = 0;
	uint32_t i;

	(void)cpu;
	if (told)
		for (i = 0; i < used; i++)
			head[1] += blocks[i].executed != blocks[i].before;
	put(head, sizeof(head));
	for (i = 0; i < used; i++) {
		struct block *b = &blocks[i];

		if (b->executed == b->before)
			continue;
		if (told) {
			buffer[n++] = b->address;
			buffer[n++] = b->executed - b->before;
			buffer[n++] = b->entered - b->entered_before;
			if (n == sizeof(buffer) / sizeof(*buffer)) {
				put(buffer, sizeof(buffer));
				n = 0;
			}
		}
		b->before = b->executed;
		b->entered_before = b->entered;
	}
	put(buffer, n * sizeof(*buffer));
	if (head[0] == MARK_BEGIN && !counting) {
		counting = 1;
		qemu_plugin_reset(self, start);
	}
}

/* The kind of a mark, or -1 of any other instruction. */
static int kind(const struct qemu_plugin_insn *insn)
{
	const uint8_t *code = qemu_plugin_insn_data(insn);
	uint64_t value = 0;
	int i;

	if (qemu_plugin_insn_size(insn) != 10 || (code[0] & 0xfe) != 0x48 || (code[1] & 0xf8) != 0xb8)
		return -1;
	for (i = 9; i > 1; i--)
		value = value << 8 | code[i];
	value ^= MARK;
	return value < MARK_KINDS ? (int)value : -1;
}

/* Whether any instruction of a block is a mark. */
static int marked(const struct qemu_plugin_tb *tb, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (kind(qemu_plugin_tb_get_insn(tb, i)) >= 0)
			return 1;
	return 0;
}

static void translate(uint64_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb), i;
	struct block *b;

	(void)id;
	if (!counting && !marked(tb, n))
		return;
	b = find(qemu_plugin_tb_vaddr(tb));
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		int k = kind(insn);

		if (!i)
			qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &b->entered, 1);
		qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &b->executed, 1);
		if (k >= 0)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, mark, QEMU_PLUGIN_CB_NO_REGS,
							       (void *)(uintptr_t)k);
	}
}

static void *reserve(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0);

	return p == (void *)-1 ? NULL : p;
}

EXPORT int qemu_plugin_install(uint64_t id, const struct qemu_info *info, int argc, char **argv)
{
	int i;

	(void)info;
	for (i = 0; i < argc; i++) {
		const char *a = argv[i];

		if (a[0] == 'o' && a[1] == 'u' && a[2] == 't' && a[3] == '=')
			out = open(a + 4, O_WRONLY);
	}
	blocks = reserve(MAX_BLOCKS * sizeof(*blocks));
	buckets = reserve(BUCKETS * sizeof(*buckets));
	if (out < 0 || !blocks || !buckets)
		return -1;
	self = id;
	start(id);
	return 0;
}

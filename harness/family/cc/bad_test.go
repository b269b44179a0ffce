// SPDX-License-Identifier: Apache-2.0

package cc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/bpfobj"
	"github.com/kxlab/kxlab/harness/labtest"
	"github.com/kxlab/kxlab/harness/sys"
)

// renoSpec is the smallest congestion control, to be spoiled.
func renoSpec(t *testing.T) *ebpf.CollectionSpec {
	t.Helper()
	spec, err := bpf.Open("cc/bpf_reno")
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// wantError fails unless the error says all of the words; skip says whether it must be a skip.
func wantError(t *testing.T, err error, skip bool, words ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error; want one with %q", words)
		return
	}
	t.Log(err)
	if errors.Is(err, harness.ErrNotSupported) != skip {
		t.Errorf("%v: a skip: %v, want %v", err, !skip, skip)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error lacks %q:\n%v", w, err)
		}
	}
}

// TestCCRefusedBeforeLoad needs no root: what is wrong is seen in the object.
func TestCCRefusedBeforeLoad(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(*ebpf.CollectionSpec)
		want  string
	}{
		{"no ssthresh", func(s *ebpf.CollectionSpec) { delete(s.Programs, "bpf_reno_ssthresh") }, "must implement ssthresh"},
		{"no undo_cwnd", func(s *ebpf.CollectionSpec) { delete(s.Programs, "bpf_reno_undo_cwnd") }, "must implement undo_cwnd"},
		{"no growth", func(s *ebpf.CollectionSpec) { delete(s.Programs, "bpf_reno_cong_avoid") }, "cong_avoid or cong_control"},
		{"get_info", func(s *ebpf.CollectionSpec) {
			s.Programs["info"] = &ebpf.ProgramSpec{AttachTo: "tcp_congestion_ops:get_info", License: "GPL"}
		}, "get_info"},
		{"licence", func(s *ebpf.CollectionSpec) { s.Programs["bpf_reno_ssthresh"].License = "Proprietary" }, `licence "Proprietary"`},
		{"two", func(s *ebpf.CollectionSpec) { s.Maps["more"] = s.Maps["bpf_reno"].Copy() }, "more than one struct of operations"},
		{"none", func(s *ebpf.CollectionSpec) { delete(s.Maps, "bpf_reno") }, "no struct of operations"},
	} {
		t.Run(test.name, func(t *testing.T) {
			spec := renoSpec(t)
			test.spoil(spec)
			_, err := bpfobj.CheckCC("test/bad", spec)
			wantError(t, err, false, "test/bad", test.want)
		})
	}
	_, err := bpfobj.CheckCC("lb/xdp_nat", mustOpen(t, "lb/xdp_nat"))
	wantError(t, err, false, "no struct of operations")
}

func mustOpen(t *testing.T, object string) *ebpf.CollectionSpec {
	t.Helper()
	spec, err := bpf.Open(object)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestCCNames(t *testing.T) {
	for base, want := range map[string]string{
		"":             "no name",
		"elevenbytes":  "too long",
		"with-hyphen":  "too long",
		"a-b":          "letters, digits",
		"cubic2":       "letters, digits", // a second cubic would be called so
		"tenletters":   "",
		"c":            "",
		"under_score.": "too long",
		"bbr_v1a":      "",
	} {
		err := checkCCBase(base)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("name %q: %v, want %q", base, err, want)
		}
	}
	for _, test := range []struct {
		taken []string
		want  string
	}{{nil, "kx_reno"}, {[]string{"reno", "kx_reno"}, "kx_reno2"}, {[]string{"kx_reno", "kx_reno3", "kx_reno2"}, "kx_reno4"}} {
		if got, err := ccName("reno", test.taken); err != nil || got != test.want {
			t.Errorf("name beside %v: %s, %v, want %s", test.taken, got, err, test.want)
		}
	}
	all := []string{"kx_tenletters"}
	for n := 2; n <= ccInstances; n++ {
		all = append(all, fmt.Sprintf("kx_tenletters%d", n))
	}
	if len(all[len(all)-1]) > ccNameMax {
		t.Errorf("%s is longer than the kernel takes", all[len(all)-1])
	}
	_, err := ccName("tenletters", all)
	wantError(t, err, false, "99 of it are registered")
	o, err := bpfobj.CheckCC("test", renoSpec(t))
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, o.SetName("sixteen_bytes_xx"), false, "has 16 bytes, the kernel takes 15")
}

// TestCCRefusedByKernel spoils what only the kernel can see.
func TestCCRefusedByKernel(t *testing.T) {
	labtest.AsRoot(t)
	t.Run("name taken", func(t *testing.T) {
		o, err := bpfobj.CheckCC("test/bad", renoSpec(t))
		if err != nil {
			t.Fatal(err)
		}
		_, err = registerCC(btf.NewCache(), o, "cubic", nil)
		wantError(t, err, false, "test/bad", "of the name cubic exists")
	})
	t.Run("verifier", func(t *testing.T) {
		spec := renoSpec(t)
		p := spec.Programs["bpf_reno_ssthresh"]
		first := p.Instructions[0]
		p.Instructions[0] = asm.Mov.Reg(asm.R6, asm.R1).WithMetadata(first.Metadata)
		p.Instructions = asm.Instructions{ // writes to a field of the socket that programs may not write
			p.Instructions[0],
			asm.LoadMem(asm.R1, asm.R6, 0, asm.DWord),
			asm.StoreImm(asm.R1, 16, 7, asm.Word),
			asm.Mov.Imm(asm.R0, 2),
			asm.Return(),
		}
		o, err := bpfobj.CheckCC("test/bad", spec)
		if err != nil {
			t.Fatal(err)
		}
		_, err = registerCC(btf.NewCache(), o, "kx_bad", nil)
		wantError(t, err, false, "test/bad", "bpf_reno_ssthresh", "no write support to tcp_sock")
	})
	t.Run("an operation that the kernel lacks", func(t *testing.T) {
		spec := renoSpec(t)
		spec.Programs["bpf_reno_cong_avoid"].AttachTo = "tcp_congestion_ops:cong_avoid"
		more := spec.Programs["bpf_reno_cong_avoid"].Copy()
		more.AttachTo = "tcp_congestion_ops:nonesuch"
		spec.Programs["more"] = more
		o, err := bpfobj.CheckCC("test/bad", spec)
		if err != nil {
			t.Fatal(err)
		}
		_, err = bpfobj.LoadCC(btf.NewCache(), o, "kx_bad", nil)
		wantError(t, err, false, "has no member nonesuch", "not known to come with another kernel")
	})
	t.Run("other arguments", func(t *testing.T) {
		o, err := bpfobj.CheckCC("test/bad", renoSpec(t))
		if err != nil {
			t.Fatal(err)
		}
		i := bpfobj.MemberIndex(o.Typ, "cong_avoid")
		o.Typ.Members[i].Type = &btf.Pointer{Target: &btf.FuncProto{Return: &btf.Void{}, Params: make([]btf.FuncParam, 2)}}
		wantError(t, o.FitKernel(btf.NewCache()), false, "calls cong_avoid with 3 arguments, the program takes 2")
	})
	names, err := availableCC()
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(names, "kx_bad") {
		t.Errorf("something is left: %v", names)
	}
}

func TestKernelCC(t *testing.T) {
	labtest.AsRoot(t)
	ctx, a := context.Background(), bpfobj.New(bpfobj.Options{})
	_, err := methods(a).Put(ctx, harness.Variant{Name: "nonesuch", Attach: "tcp-cc"}, harness.Site{})
	wantError(t, err, true, "needs the module tcp_nonesuch: run in a guest")
	_, err = methods(a).Put(ctx, harness.Variant{Name: "reno", Attach: "tcp-cc", Knobs: []harness.Knob{{Name: "beta"}}}, harness.Site{})
	wantError(t, err, false, "no knobs")
	e, err := methods(a).Put(ctx, harness.Variant{Name: "a", Algorithm: "reno", Attach: "tcp-cc"}, labtest.BpfSite(t))
	if err != nil {
		t.Fatal(err)
	}
	c := e.(CongestionControl)
	if err := c.InForce(); err != nil || c.Algorithm() != "reno" {
		t.Errorf("%s: %v", c.Algorithm(), err)
	}
	wantError(t, c.Replace(ctx, ccVariant("cc/bpf_reno")), true, "cannot be replaced")
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// TestCCDefaultStays: whatever is registered, the default of the machine and of a new namespace is what it was.
func TestCCDefaultStays(t *testing.T) {
	labtest.AsRoot(t)
	const sysctl = "/proc/sys/net/ipv4/tcp_congestion_control"
	before, err := os.ReadFile(sysctl)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range ccObjects(t) {
		putCC(t, ccVariant(object))
	}
	site := labtest.BpfSite(t)
	if err := sys.InNS(site.NS, func() error {
		inside, err := os.ReadFile(sysctl)
		if err == nil && strings.HasPrefix(string(inside), ccPrefix) {
			err = fmt.Errorf("the default of a new namespace is %s", inside)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	if after, err := os.ReadFile(sysctl); err != nil || string(after) != string(before) {
		t.Errorf("the default was %s and is %s, %v", before, after, err)
	}
}

// ccVictim is the variable that makes the test binary a process that registers a congestion control and waits.
const ccVictim = "KXLAB_TEST_CC_VICTIM"

// TestCCDiesWithItsProcess: a process that is killed leaves no algorithm behind.
func TestCCDiesWithItsProcess(t *testing.T) {
	labtest.AsRoot(t)
	if os.Getenv(ccVictim) != "" {
		c := putCC(t, ccVariant("cc/bpf_reno"))
		fmt.Println("registered", c.Algorithm())
		time.Sleep(time.Minute)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestCCDiesWithItsProcess$")
	cmd.Env = append(os.Environ(), ccVictim+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	name := ""
	for s := bufio.NewScanner(out); name == "" && s.Scan(); {
		name, _ = strings.CutPrefix(s.Text(), "registered ")
	}
	names, err := availableCC()
	if err != nil || name == "" || !slices.Contains(names, name) {
		t.Errorf("the process registered %q, the kernel lists %v, %v", name, names, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if names, err = availableCC(); err != nil || !slices.Contains(names, name) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%s is still registered 5 s after its process was killed", name)
		}
	}
	if err != nil {
		t.Error(err)
	}
}

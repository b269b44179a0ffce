// SPDX-License-Identifier: Apache-2.0

package vm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kxlab/kxlab/harness/cache"
)

// The test is of the decision only: what follows it powers the machine off.
func TestTaskFolder(t *testing.T) {
	const virtme = "virtme_hostname=x console=ttyS0 virtme_initmount0=/run/kxlab init=/bin/sh"
	for _, c := range []struct {
		about, args string
		pid         int
		cmdline     string
		want        string
		err         string
	}{
		{"in a virtme guest", "kxlab vm-agent /run/kxlab", 300, virtme, "/run/kxlab", ""},
		{"as virtme-ng may write it", "kxlab vm-agent /run/kxlab", 300, "virtme_initmount1=run/kxlab", "/run/kxlab", ""},
		{"on the host", "kxlab vm-agent /run/kxlab", 300, "BOOT_IMAGE=/boot/vmlinuz root=/dev/sda1 quiet", "", "not a guest of the lab"},
		{"on a host, as its first process", "kxlab vm-agent /run/kxlab", 1, "root=/dev/sda1", "", "not a guest of the lab"},
		{"another folder", "kxlab vm-agent /tmp/x", 300, virtme, "", "name that folder"},
		{"no folder", "kxlab vm-agent /", 300, "virtme_initmount0= x", "", "not a guest"},
		{"another argument", "kxlab vm-agent /run/kxlab", 300, "virtme_initmountx=/run/kxlab xvirtme_initmount0=/run/kxlab", "", "not a guest"},
		{"first process", "/init", 1, "", guestDir, ""},
		{"any other", "kxlab run lb", 300, virtme, "", ""},
		{"more arguments", "kxlab vm-agent /run/kxlab x", 300, virtme, "", ""},
	} {
		file := filepath.Join(t.TempDir(), "cmdline")
		if err := os.WriteFile(file, []byte(c.cmdline+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := taskFolder(strings.Fields(c.args), c.pid, file)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %q, %v; want %q, %q", c.about, got, err, c.want, c.err)
		}
	}
	if got, err := taskFolder([]string{"kxlab", agentCommand, "/run/kxlab"}, 300, "/nowhere"); got != "" || err == nil {
		t.Errorf("without a command line to read: %q, %v", got, err)
	}
}

// counts is an eventfd that has these counts.
type counts []uint64

func (c *counts) Read(p []byte) (int, error) {
	if len(*c) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	binary.NativeEndian.PutUint64(p, (*c)[0])
	*c = (*c)[1:]
	return 8, nil
}

// A write returns when the host has all of it, no sooner and no later.
func TestAckWriter(t *testing.T) {
	var out bytes.Buffer
	acks := counts{2, 3, 7}
	w := &ackWriter{&out, &acks}
	if n, err := w.Write([]byte("hello")); n != 5 || err != nil || len(acks) != 1 {
		t.Errorf("%d, %v, %d acknowledgements left; want 5 bytes and 1 left", n, err, len(acks))
	}
	if n, err := w.Write(nil); n != 0 || err != nil || len(acks) != 1 {
		t.Errorf("nothing: %d, %v, %d left", n, err, len(acks))
	}
	if n, err := w.Write([]byte("12345678")); n != 8 || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("without an acknowledgement: %d, %v", n, err)
	}
	if n, err := (&ackWriter{refusing{}, &acks}).Write([]byte("x")); n != 0 || err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("refused: %d, %v", n, err)
	}
}

func TestReadStdin(t *testing.T) {
	if got, err := (&Cmd{}).readStdin(4); got != nil || err != nil {
		t.Errorf("none: %q, %v", got, err)
	}
	if got, err := (&Cmd{Stdin: strings.NewReader("")}).readStdin(4); got == nil || len(got) != 0 || err != nil {
		t.Errorf("empty: %q, %v", got, err)
	}
	if got, err := (&Cmd{Stdin: strings.NewReader("word")}).readStdin(4); string(got) != "word" || err != nil {
		t.Errorf("word: %q, %v", got, err)
	}
	_, err := (&Cmd{Stdin: strings.NewReader(""), Terminal: true}).readStdin(4)
	wantError(t, err, false, "Stdin must be nil")
	for _, in := range []io.Reader{strings.NewReader("words"), endless{}} {
		_, err = (&Cmd{Stdin: in}).readStdin(4)
		wantError(t, err, false, "more than 4 bytes")
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestCheckVirtmePaths(t *testing.T) {
	dir := t.TempDir()
	plain := &Kernel{Image: "/boot/vmlinuz", Modules: ""}
	for _, c := range []struct {
		cache  string
		kernel Kernel
		want   string
	}{
		{"cache", *plain, ""},
		{"my cache", *plain, "set KXLAB_CACHE"},
		{"a,b", *plain, "set KXLAB_CACHE"},
		{"cache", Kernel{Image: "/my kernel"}, "kernel image \"/my kernel\""},
		{"cache", Kernel{Image: "/x", Modules: "/a=b"}, "kernel modules"},
	} {
		t.Setenv(cache.Env, filepath.Join(dir, c.cache))
		err := checkVirtmePaths(&c.kernel)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %+v: %v, want %q", c.cache, c.kernel, err, c.want)
		}
	}
}

// FuzzFrame: bytes written as a frame are read as one, and other bytes are an error.
func FuzzFrame(f *testing.F) {
	f.Add(encodeFrame(encodeFrame(nil, frameStdout, []byte("hi")), frameBeat, nil))
	f.Add([]byte("Kernel panic"))
	f.Add([]byte{frameMagic, 'o', 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var again []byte
		for r := bytes.NewReader(raw); ; {
			got, err := readFrame(r)
			if err != nil {
				break
			}
			if len(got.payload) > frameMax {
				t.Fatalf("a payload of %d bytes", len(got.payload))
			}
			again = encodeFrame(again, got.kind, got.payload)
		}
		if !bytes.HasPrefix(raw, again) {
			t.Errorf("%x is read as %x", raw, again)
		}
	})
}

// A command line is split into words that, quoted again, are the same words.
func FuzzSplitShell(f *testing.F) {
	for _, s := range []string{`qemu -append 'a=b "c d"' -x "e f" --empty '' end`, `'it'"'"'s'`, "a 'b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		words, err := splitShell(s)
		if err != nil {
			return
		}
		var quoted []string
		for _, w := range words {
			quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'"'"'`)+"'")
		}
		again, err := splitShell(strings.Join(quoted, " "))
		if err != nil || !cmp.Equal(words, again) {
			t.Errorf("%q: %q, and quoted again %q, %v", s, words, again, err)
		}
		_ = convertArgs(words)
	})
}

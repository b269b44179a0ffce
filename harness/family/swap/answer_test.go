// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
)

// shippedPrograms are the variants of the shipped experiment that are programs.
func shippedPrograms(t *testing.T) (out []harness.Variant) {
	t.Helper()
	e, err := experiments.Open("swap", experiments.Vocabulary{Families: map[string]harness.Family{"swap": Family{}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range e.Variants {
		if v.Command != nil {
			out = append(out, v)
		}
	}
	return out
}

// TestAnswers: a reload leaves no request without a listener, and a restart does. nginx closes idle connections as it reloads, and a request
// that meets that is lost.
func TestAnswers(t *testing.T) {
	variants := shippedPrograms(t)
	s := prepare(t, "1", variants...)
	for name, err := range s.Absent() {
		t.Errorf("%s: %v", name, err)
	}
	for _, v := range variants {
		careless := strings.HasSuffix(v.Name, "restart")
		if !careless { // the others start the same
			if err := s.Check(t.Context(), v.Name); err != nil {
				t.Errorf("gate of %s: %v", v.Name, err)
			}
		}
		r := replace(t, s, v.Name, 2)
		_, err := s.Measure(t.Context(), harness.Cell{Workload: workloadPackets, Variant: v.Name, Axes: []harness.AxisValue{{Name: "swaps", Value: "1"}}}, harness.Budget{})
		if !errors.Is(err, harness.ErrNotSupported) {
			t.Errorf("%s under packets: %v, want a skip", v.Name, err)
		}
		if refused := metric(r, "refused-share"); (refused > 0) != careless {
			t.Errorf("%s: refused-share is %v", v.Name, refused)
		}
		if lost := metric(r, "lost-share"); !careless && lost > 0.01 {
			t.Errorf("%s: lost-share is %v", v.Name, lost)
		}
		for _, unit := range []string{"neither-share", "both-share"} {
			if got := metric(r, unit); got != 0 {
				t.Errorf("%s: %s is %v, want 0", v.Name, unit, got)
			}
		}
	}
}

// TestWrongProgram: the gate finds a program that closes connections without an answer, answers with another version, or with an error.
func TestWrongProgram(t *testing.T) {
	const old = "return 200"
	faults := map[string]struct{ insert, want string }{
		"leaves": {"return 444;", "requests lost"},
		"other":  {`return 200 '9 \$arg_n';`, "of another version than 1"},
		"blank":  {"return 503;", "seen by no version"},
	}
	nginx := shippedPrograms(t)[0]
	var variants []harness.Variant
	for name, f := range faults {
		script := string(nginx.Command.Contents[0].Content)
		changed := strings.Replace(script, old, `if (\$arg_n ~ '3$') { `+f.insert+" } "+old, 1)
		if changed == script {
			t.Fatalf("the script has no %q", old)
		}
		v, c := nginx, *nginx.Command
		c.Contents = []harness.CommandFile{{Name: c.Contents[0].Name, Mode: 0o755, Content: []byte(changed)}}
		v.Name, v.Command = name, &c
		variants = append(variants, v)
	}
	s := prepare(t, "1", variants...)
	for _, v := range variants {
		if err := s.Check(t.Context(), v.Name); err == nil || !strings.Contains(err.Error(), faults[v.Name].want) {
			t.Errorf("gate of %s: %v, want %q", v.Name, err, faults[v.Name].want)
		}
	}
}

// TestAsk: what may become of a request is told apart.
func TestAsk(t *testing.T) {
	const one = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n7 0"
	const nobody = "-"
	for _, tt := range []struct {
		name, answer string
		keep         bool
		want         string
	}{
		{"an answer", one, false, "newest 7"},
		{"an answer, kept", one, true, "newest 7"},
		{"two answers", one + one, false, "both 1"},
		{"a second answer later", one + "|" + one, false, "both 1"},
		{"two answers, kept", one + one, true, "both 1"},
		{"of another request", strings.Replace(one, "7 0", "7 1", 1), false, "neither 1"},
		{"an error", "HTTP/1.1 503 No\r\nContent-Length: 4\r\n\r\nsigh", false, "neither 1"},
		{"of no generation", strings.Replace(strings.Replace(one, "3", "7", 1), "7 0", "99999 0", 1), false, "alien 1"},
		{"half an answer", one[:len(one)-1], false, "reset 1"},
		{"closed", "", false, "reset 1"},
		{"closed, kept", "", true, "reset 1"},
		{"no listener", nobody, false, "refused 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l, err := net.Listen("tcp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			if tt.answer == nobody {
				l.Close()
			} else {
				go answerOnce(l, tt.answer)
			}
			a := &asker{to: netip.MustParseAddrPort(l.Addr().String()), keep: tt.keep, book: newBook()}
			if err := a.ask(); err != nil {
				t.Fatal(err)
			}
			a.hangUp()
			b, got := a.book, []string{}
			for _, c := range []struct {
				name string
				n    uint64
			}{{"newest", uint64(b.newest)}, {"neither", b.count.Neither}, {"both", b.count.Both}, {"alien", b.count.Alien}, {"refused", b.fates[refused]}, {"reset", b.fates[reset]}, {"silent", b.fates[silent]}} {
				if c.n > 0 {
					got = append(got, fmt.Sprintf("%s %d", c.name, c.n))
				}
			}
			if strings.Join(got, ", ") != tt.want {
				t.Errorf("%v, want %s", got, tt.want)
			}
		})
	}
}

// answerOnce reads one request of one connection, writes an answer, in parts that a | ends, and closes both.
func answerOnce(l net.Listener, answer string) {
	defer l.Close()
	c, err := l.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	if _, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
		for _, part := range strings.Split(answer, "|") {
			fmt.Fprint(c, part)
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// TestBook: of five requests one is lost, and one is answered by an older version than an answer that had come before.
func TestBook(t *testing.T) {
	b := newBook()
	for _, g := range []uint32{1, 1, 2, 1} {
		_, newest := b.send()
		b.answer(g, false, newest, uint64(g)*1000)
	}
	b.send()
	b.fail(refused)
	c := b.tally(nil)
	if why := c.unaccounted(); why != "" || c.lost() != 1 || c.count.Back != 1 || c.seen[1].Packets != 3 || c.seen[2].First < c.seen[2].Last || c.seen[2].Worst != 2000 {
		t.Errorf("%+v: %s", c.count, why)
	}
	if why := c.fault(1); !strings.Contains(why, "1 of 5 requests lost") {
		t.Errorf("fault %q", why)
	}
}

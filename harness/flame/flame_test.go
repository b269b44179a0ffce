// SPDX-License-Identifier: Apache-2.0

package flame

import (
	"bytes"
	"encoding/xml"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	pprof "github.com/google/pprof/profile"

	"github.com/kxlab/kxlab/harness/profile"
)

// two are profiles of a variant whose work is a netfilter function, and of one that does it in BPF.
func two() (a, b profile.Profile) {
	a = profile.Profile{Cell: "A", Kind: profile.OnCPU, Unit: "ns", Window: 1e9, Period: 1000, Per: "pkt", Work: 100, Notes: []string{"2 samples <lost>"},
		Stacks: []profile.Stack{{Folded: "gen;main;ip_rcv_[k];nf_hook_[k]", Value: 80_000}, {Folded: "gen;operator<;send_[k]", Value: 20_000}}}
	b = a
	b.Work, b.Notes = 200, nil
	b.Stacks = []profile.Stack{{Folded: "gen;operator<;send_[k]", Value: 40_000}, {Folded: "gen;main;xdp_nat [bpf]", Value: 20_000}}
	return a, b
}

// A shown is a frame of a picture.
type shown struct {
	Title string `xml:"title"`
	Text  string `xml:"text"`
	Rect  struct {
		X     float64 `xml:"x,attr"`
		Y     float64 `xml:"y,attr"`
		Width float64 `xml:"width,attr"`
		Fill  string  `xml:"fill,attr"`
	} `xml:"rect"`
}

// parse reads a picture as any viewer must be able to.
func parse(t *testing.T, svg []byte) (map[string]shown, string) {
	t.Helper()
	var doc struct {
		Frames []shown  `xml:"g"`
		Texts  []string `xml:"text"`
	}
	if err := xml.Unmarshal(svg, &doc); err != nil {
		t.Fatalf("no XML: %v", err)
	}
	out := map[string]shown{}
	for _, f := range doc.Frames {
		name, _, _ := strings.Cut(f.Title, "\n")
		out[name] = f
	}
	return out, strings.Join(doc.Texts, "\n")
}

// TestDraw: a frame is as wide as its share, stands on its caller, and says what it is.
func TestDraw(t *testing.T) {
	a, _ := two()
	var out, again bytes.Buffer
	if err := Draw(&out, "pps: a & b", a); err != nil {
		t.Fatal(err)
	}
	frames, text := parse(t, out.Bytes())
	all, hook, caller, send := frames["all"], frames["nf_hook"], frames["ip_rcv"], frames["send"]
	if math.Abs(hook.Rect.Width-0.8*all.Rect.Width) > 0.02 || math.Abs(send.Rect.Width-0.2*all.Rect.Width) > 0.02 {
		t.Errorf("widths %v and %v of %v, want 80 and 20 %%", hook.Rect.Width, send.Rect.Width, all.Rect.Width)
	}
	if hook.Rect.Y >= caller.Rect.Y || hook.Rect.X != caller.Rect.X || send.Rect.X < hook.Rect.X+hook.Rect.Width-0.02 {
		t.Errorf("nf_hook at %+v does not stand on ip_rcv at %+v, or on send at %+v", hook.Rect, caller.Rect, send.Rect)
	}
	if frames["operator<"].Text != "operator<" {
		t.Errorf("operator< says %q", frames["operator<"].Text)
	}
	if hook.Text != "nf_hook" || !strings.Contains(hook.Title, "800 ns/pkt, 80.0 % of the whole") {
		t.Errorf("nf_hook says %q, %q", hook.Text, hook.Title)
	}
	for _, want := range []string{"pps: a & b", "1,000 ns a packet", "100 samples", "2 samples <lost>", "of the kernel"} {
		if !strings.Contains(text, want) {
			t.Errorf("the picture does not say %q:\n%s", want, text)
		}
	}
	if err := Draw(&again, "pps: a & b", a); err != nil || !bytes.Equal(out.Bytes(), again.Bytes()) {
		t.Errorf("drawn again: %v, or other bytes", err)
	}
}

// TestDrawDiff: each function is as wide as where it took longer, for one unit of work of each side, and coloured by the change.
func TestDrawDiff(t *testing.T) {
	a, b := two()
	var out bytes.Buffer
	if err := DrawDiff(&out, "against", "old", "new", a, b); err != nil {
		t.Fatal(err)
	}
	frames, text := parse(t, out.Bytes())
	all := frames["all"].Rect.Width // 800 + 200 + 100 ns
	for name, want := range map[string]struct {
		ns    float64
		fill  string
		title string
	}{
		"nf_hook":       {800, less, "A 800, B 0: -800 ns/pkt"},
		"send":          {200, same, "A 200, B 200: 0 ns/pkt"},
		"xdp_nat [bpf]": {100, more, "A 0, B 100: +100 ns/pkt"},
	} {
		f := frames[name]
		if math.Abs(f.Rect.Width-want.ns/1100*all) > 0.02 || f.Rect.Fill != want.fill || !strings.Contains(f.Title, want.title) {
			t.Errorf("%s: width %v of %v, %s, %q; want %v", name, f.Rect.Width, all, f.Rect.Fill, f.Title, want)
		}
	}
	if !strings.Contains(text, "A: old, 1,000 ns a packet. B: new, 300 ns a packet (-70.0 %)") || !strings.Contains(text, "A: 2 samples <lost>") {
		t.Errorf("the picture says %q", text)
	}
}

// TestNarrow: frames too narrow to be seen are not drawn, and the picture says how much that is.
func TestNarrow(t *testing.T) {
	a, _ := two()
	a.Stacks = append(a.Stacks, profile.Stack{Folded: "gen;main;tiny", Value: 10})
	var out bytes.Buffer
	if err := Draw(&out, "t", a); err != nil {
		t.Fatal(err)
	}
	frames, text := parse(t, out.Bytes())
	if _, there := frames["tiny"]; there || !strings.Contains(text, "0.0 % of the whole is in frames too narrow") {
		t.Errorf("a frame of 0.1 px is drawn, or nothing says that it is not: %q", text)
	}
	a.Stacks = nil
	out.Reset()
	if err := Draw(&out, "t", a); err != nil || !strings.Contains(out.String(), "no time in any stack") {
		t.Errorf("a profile without stacks: %v", err)
	}
}

// TestPprof: another program reads from the file what was in the profile.
func TestPprof(t *testing.T) {
	a, _ := two()
	var out, again bytes.Buffer
	if err := WritePprof(&out, a); err != nil {
		t.Fatal(err)
	}
	if err := WritePprof(&again, a); err != nil || !bytes.Equal(out.Bytes(), again.Bytes()) {
		t.Errorf("written again: %v, or other bytes", err)
	}
	path := filepath.Join(t.TempDir(), "on.pb.gz")
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	p, err := pprof.Parse(io.Reader(&out))
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]int64{}
	for _, s := range p.Sample {
		leaf := s.Location[0]
		sums[leaf.Mapping.File+" "+leaf.Line[0].Function.Name] += s.Value[1]
		if root := s.Location[len(s.Location)-1].Line[0].Function.Name; root != "gen" || s.Value[0] != s.Value[1]/1000 {
			t.Errorf("a sample of %v values at %s", s.Value, root)
		}
	}
	if sums["[kernel] nf_hook"] != 80_000 || sums["[kernel] send"] != 20_000 || len(sums) != 2 || p.TimeNanos != 0 || p.DurationNanos != 1e9 {
		t.Errorf("sums %v, time %d, duration %d", sums, p.TimeNanos, p.DurationNanos)
	}
	top, err := exec.Command("go", "tool", "pprof", "-top", path).CombinedOutput()
	if err != nil || !strings.Contains(string(top), "nf_hook") || !strings.Contains(string(top), "80.00%") {
		t.Errorf("go tool pprof -top: %v: %s", err, top)
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.00012: "0.00012", 0.0123: "0.0123", 1.234: "1.23", 99.96: "100.0", 812.4: "812", 1234567: "1,234,567", -1234: "-1,234"} {
		if got := number(v); got != want {
			t.Errorf("number(%v) is %s, want %s", v, got, want)
		}
	}
	for _, c := range []struct {
		a, b float64
		want string
	}{{100, 30, "-70.0 %"}, {10, 30, "3.0 times A"}, {0, 5, "no comparison"}} {
		if got := change(c.a, c.b); got != c.want {
			t.Errorf("change(%v, %v) is %s, want %s", c.a, c.b, got, c.want)
		}
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		width float64
		want  string
	}{{20, ""}, {6 + 3*charWidth + 0.1, "ip…"}, {6 + 6*charWidth + 0.1, "ip_rcv"}, {500, "ip_rcv"}} {
		if got := fit("ip_rcv", c.width); got != c.want {
			t.Errorf("in %v px: %q, want %q", c.width, got, c.want)
		}
	}
}

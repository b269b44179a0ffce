// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bytes"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness/record/synthetic"
	"github.com/kxlab/kxlab/harness/verdict"
)

// TestCounts: no page of the published runs counts one thing as several.
func TestCounts(t *testing.T) {
	wrong := regexp.MustCompile(`[^\d.,]1 (rows|more tables|more plots|plots|tables|cells|parts|more claims|runs)\b`)
	for _, name := range []string{"lb-exact", "swap-exact", "cc-loss", "sched-fair"} {
		p, err := New(opened(t, "../../results/"+name))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := p.Write(&b, Frame{}); err != nil {
			t.Fatal(err)
		}
		if found := wrong.FindAllString(b.String(), -1); len(found) > 0 {
			t.Errorf("%s: %q", name, found)
		}
	}
}

// TestMarkdownParagraphs: each sentence of an answer is a paragraph.
func TestMarkdownParagraphs(t *testing.T) {
	a := verdict.Analyze(synthetic.Golden())
	var b strings.Builder
	if err := WriteTables(&b, a, "markdown"); err != nil {
		t.Fatal(err)
	}
	for _, sentence := range Answer(a) {
		if !strings.Contains(b.String(), "\n\n"+markdown(sentence)+"\n\n") {
			t.Errorf("no paragraph of its own: %s", sentence)
		}
	}
}

// TestBanner: a banner about noise says what is useless, in words that a narrow page can break.
func TestBanner(t *testing.T) {
	broken := verdict.BrokenGates(opened(t, "../../results/swap-exact").Noise, verdict.DefaultMinEffect)
	if !strings.Contains("\n"+strings.Join(broken, "\n"), "\np50-latency-sec is too noisy here: one variant measured twice differed by 5.2 %, so a gate at 3.0 % on it is useless (workload=replace ") {
		t.Errorf("%q", broken)
	}
	for _, text := range broken {
		for _, word := range strings.Fields(text) {
			if len(word) > 30 {
				t.Errorf("a word of %d letters: %s", len(word), word)
			}
		}
	}
}

// TestScript: a choice of variants leaves the rows of the baseline, which the others are held against, and a column of numbers is sorted by
// their size.
func TestScript(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no node, which runs the script of a page")
	}
	for _, tt := range []struct{ script, want string }{{`
boxes[1].checked = true;
boxes[1].on();
console.log(rows.filter((r) => !r.hidden).map((r) => r.dataset.variant).join(" "));`, "iptables xdp-nat xdp-nat+aa"}, {`
ths[1].click();
console.log(body.rows.map((r) => r.cells[1].textContent).join("; "));`, "x 1/141; -49.1 % [-67.3, -28.5]; x 500; x 132,649; refused"}} {
		out, err := exec.Command(node, "-e", stage+string(Script())+tt.script).CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != tt.want {
			t.Errorf("%v: %q, want %q", err, got, tt.want)
		}
	}
}

// stage is as much of a browser as the script of a page needs.
const stage = `
const row = (name, base) => ({ dataset: { variant: name }, hidden: false, classList: { contains: (c) => c === "base" && base } });
const rows = [row("iptables", true), row("xdp-nat", false), row("tc-nat", false), row("xdp-nat+aa", false)], boxes = [];
const element = () => ({ style: {}, append(...all) { this.all = all; }, addEventListener(what, f) { this.on = f; }, className: "" });
const th = () => ({ classList: { add() {} }, addEventListener(what, f) { this[what] = f; }, setAttribute() {}, removeAttribute() {}, parentNode: { querySelectorAll: () => [] } });
const ths = [th(), th()];
const body = { rows: ["x 132,649", "x 500", "refused", "x 1/141", "-49.1 % [-67.3, -28.5]"].map((t) => ({ cells: [{ textContent: "v" }, { textContent: t }] })), append(...all) { this.rows = all; } };
const table = { tBodies: [body], querySelectorAll: () => ths };
const chips = { append: () => {}, querySelectorAll: () => boxes.filter((b) => b.checked), hidden: true };
globalThis.document = {
  querySelector: () => chips, body: element(), getElementById: () => null,
  querySelectorAll: (sel) => sel === "tr[data-variant]" ? rows : sel === "table.sort" ? [table] : [],
  createElement: (tag) => { const e = element(); if (tag === "input") boxes.push(e); return e; },
};
globalThis.location = { hash: "" };
globalThis.addEventListener = () => {};
`

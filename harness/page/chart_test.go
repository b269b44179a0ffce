// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/plot"
	"github.com/kxlab/kxlab/harness/record"
	"github.com/kxlab/kxlab/harness/record/synthetic"
	"github.com/kxlab/kxlab/harness/unit"
)

// TestLibrary: the committed files of uPlot are those that were pinned, and its licence goes with it.
func TestLibrary(t *testing.T) {
	pins, err := os.ReadFile("uplot/SHA256SUMS")
	if err != nil {
		t.Fatal(err)
	}
	pinned := map[string]bool{"SHA256SUMS": true}
	for line := range strings.Lines(string(pins)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		text, err := os.ReadFile(filepath.Join("uplot", name))
		if got := fmt.Sprintf("%x", sha256.Sum256(text)); err != nil || got != sum {
			t.Errorf("%s: %s, %v; pinned %s: make uplot fetches it", name, got, err, sum)
		}
		pinned[name] = true
	}
	entries, err := os.ReadDir("uplot")
	if err != nil || len(entries) != 5 {
		t.Errorf("%d files, %v", len(entries), err)
	}
	for _, e := range entries {
		if !pinned[e.Name()] {
			t.Errorf("%s is not pinned", e.Name())
		}
	}
	var about struct{ Version, License string }
	text, _ := os.ReadFile("uplot/package.json")
	fetches, _ := os.ReadFile("../../scripts/uplot")
	if err := json.Unmarshal(text, &about); err != nil || about.License != "MIT" || !strings.Contains(string(fetches), "version="+about.Version+"\n") {
		t.Errorf("%+v, %v; scripts/uplot fetches another version", about, err)
	}
	if s := ChartScript(); !strings.Contains(s, "(v"+about.Version+")") || !strings.Contains(s, "Permission is hereby granted") || strings.Contains(s, "</script") {
		t.Error("the script of charts lacks the version or the licence, or ends its element")
	}
}

// chartRun is an invented run whose page has a chart of each kind.
func chartRun() *record.Run {
	r := synthetic.Golden()
	for i := range r.Trials {
		r.Trials[i].Result.Series = []harness.Series{
			{Name: "cdf", X: []float64{1e-5, 1e-4, 1e-3}, Y: []float64{0, 0.5, 1}},
			{Name: "level", X: []float64{0.1, 0.2, 0.3}, Y: []float64{1e6, float64(i+1) * 1e6, 3e6}},
			{Name: "turns 0 a", X: []float64{0, 0.005}, Y: []float64{0.002, 0.0000001}},
			{Name: "turns 0 other", X: []float64{0.003}, Y: []float64{0.001}},
		}
	}
	where := []harness.AxisValue{{Name: "services", Value: "1"}, {Name: "rate", Value: "0"}}
	r.Env.Plots = append(r.Env.Plots,
		harness.PlotSpec{Name: "cdf", Title: "cdf", Kind: harness.PlotCDF, Series: "cdf", Workload: "pps", Unit: "pkt/s", LogX: true, Where: where},
		harness.PlotSpec{Name: "series", Title: `</script><script>alert("x")`, Kind: harness.PlotSeries, Series: "level", Workload: "pps", Unit: "pkt/s", Only: []string{"xdp-nat"}, Where: where},
		harness.PlotSpec{Name: "timeline", Title: "timeline", Kind: harness.PlotTimeline, Series: "turns", Workload: "pps", Unit: "pkt/s", Class: "nat", Where: where})
	return r
}

// TestChartData: a page has the data of each chart once, as JSON whose cells lead to parts of the page, and the library once; a page without
// a chart has none of it.
func TestChartData(t *testing.T) {
	var b bytes.Buffer
	if err := writePage(&b, chartRun()); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	found := regexp.MustCompile(`<script type="application/json" class="chart-data">(.*?)</script>`).FindAllStringSubmatch(text, -1)
	if len(found) != 5 || strings.Count(text, "var uPlot=") != 1 || strings.Count(text, ".u-over") == 0 || strings.Contains(text, "<script>alert") {
		t.Errorf("%d charts", len(found))
	}
	for _, m := range found {
		var c plot.Chart
		d := json.NewDecoder(strings.NewReader(m[1]))
		d.DisallowUnknownFields()
		if err := d.Decode(&c); err != nil || len(c.Lines)+len(c.Strips) == 0 {
			t.Fatalf("%v: %.200s", err, m[1])
		}
		for _, l := range c.Lines {
			for _, id := range l.Cells {
				if !strings.Contains(text, ` id="`+id+`"`) {
					t.Errorf("%s: there is no %q on the page", c.Title, id)
				}
			}
		}
	}
	r := synthetic.Golden()
	r.Env.Plots = r.Env.Plots[:1]
	b.Reset()
	if err := writePage(&b, r); err != nil || strings.Contains(b.String(), "uPlot") || strings.Contains(b.String(), ".u-over") {
		t.Errorf("a page with bars alone has the library: %v", err)
	}
	p := Picture{Chart: &plot.Chart{}}
	if q := p.On("run-a.html"); q.Chart.Page != "run-a.html" || p.Chart.Page != "" || q.Class() != "live" {
		t.Errorf("on another page: %+v", q.Chart)
	}
}

// TestChartNumbers: the script writes numbers as unit.Digits does.
func TestChartNumbers(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no node, which runs the script of charts")
	}
	_, script, _ := strings.Cut(chartScript, "  // Numbers as the tables write them (package unit).\n")
	script, _, _ = strings.Cut(script, "  // Ticks at")
	values := []float64{0, 2916.5, 2917.5, 2.125, 2.375, 10.25, 10.35, 0.0625, 1.005, 999.5, 9999.5, 12345.5, 1e15, 1e-7, -2.125, -132649}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		values = append(values, rng.ExpFloat64()*float64(int(1)<<rng.IntN(40))/1e4)
	}
	in, _ := json.Marshal(values)
	out, err := exec.Command(node, "-e", script+"console.log("+string(in)+".map(digits).join('\\n'))").CombinedOutput()
	got := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || len(got) != len(values) {
		t.Fatalf("%v: %.500s", err, out)
	}
	for i, v := range values {
		if want := unit.Digits(v); got[i] != want && !strings.Contains(want, "e") {
			t.Errorf("%v: %s, want %s", v, got[i], want)
		}
	}
}

// probe moves a pointer over each chart of a page, at those shares of its width and height, and is what the page then says.
const probe = `(async () => {
  const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0))), out = [];
  document.querySelectorAll("details").forEach((d) => { d.open = true; });
  for (const [name, x, y] of [["newflow", 0.99, 0.02], ["newflow", 0.6, 0.5], ["cdf", 0.9, 0.5], ["series", 0.5, 0.5], ["timeline", 0.1, 0.1]]) {
    const figure = document.getElementById("plot-" + name);
    figure.scrollIntoView();
    while (!figure.querySelector(".u-over")) await frame();
    await frame();
    const over = figure.querySelector(".u-over"), box = over.getBoundingClientRect();
    over.dispatchEvent(new MouseEvent("mouseenter"));
    over.dispatchEvent(new MouseEvent("mousemove", { clientX: box.left + box.width * x, clientY: box.top + box.height * y, movementX: 1, bubbles: true }));
    await frame();
    const tip = document.querySelector(".tip.values"), at = tip.getBoundingClientRect();
    const hidden = [...figure.querySelectorAll(":scope > svg")].every((svg) => getComputedStyle(svg).display === "none");
    const within = at.left >= 0 && at.right <= innerWidth && document.documentElement.scrollWidth <= innerWidth && figure.scrollWidth <= figure.clientWidth + 1;
    out.push([name, tip.hidden ? "no tip" : tip.innerText.replace(/\s+/g, " "), hidden ? "replaced" : "twice", within ? "within" : "beyond"].join(" | "));
  }
  return out.join("\n");
})()`

// parts are which parts of the plot of first packets are displayed.
const parts = `[...document.querySelectorAll("#plot-newflow > *")].filter((e) => getComputedStyle(e).display !== "none").map((e) => e.tagName).join(" ")`

// TestChartInBrowser: in a browser each chart takes the place of its drawing and says what is under the pointer, at the width of a telephone
// too; a click leads to the trial. The values are those of the drawings, which prints and pages without scripts show.
func TestChartInBrowser(t *testing.T) {
	r := chartRun()
	var b bytes.Buffer
	if err := writePage(&b, r); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	last := pointText(t, r, "iptables", "10000")
	w := openBrowser(t)
	for _, width := range []int{1280, 400} {
		w.call("Emulation.setDeviceMetricsOverride", object{"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false})
		w.open("file://" + file)
		said := w.eval(probe)
		lines := strings.Split(said, "\n")
		for i, want := range []string{
			"newflow | services: 10,000, n = 5 ■ iptables-nft ",
			"newflow | services: 1,000, n = 5 ■ iptables-nft ",
			"cdf | 50 % are not above ■ iptables ",
			"series | at 0.2 s ■ xdp-nat 29.0 M pkt/s ",
			"timeline | iptables CPU 0 ■ a 2.00 ms from 0.000 ms ",
		} {
			if i >= len(lines) || !strings.HasPrefix(lines[i], want) || !strings.HasSuffix(lines[i], " | replaced | within") {
				t.Errorf("%d pixels: %q, want %q", width, said, want)
			}
		}
		if !strings.Contains(said, " ■ "+last+" ■ ") {
			t.Errorf("%d pixels: %q, want %q", width, said, last)
		}
	}
	if got := w.eval(parts); !strings.HasPrefix(got, "DIV") {
		t.Errorf("on a screen: %q", got)
	}
	w.call("Emulation.setEmulatedMedia", object{"media": "print"})
	if got := w.eval(parts); got != "svg" {
		t.Errorf("in print: %q", got)
	}
	w.call("Emulation.setEmulatedMedia", object{"media": "screen"})
	if got := w.eval(`(async () => {
		const over = document.querySelector("#plot-newflow .u-over"), box = over.getBoundingClientRect(), at = { clientX: box.right - 4, clientY: box.top + 30, movementX: 1, bubbles: true };
		over.dispatchEvent(new MouseEvent("mouseenter"));
		for (const what of ["mousemove", "mousedown", "mouseup", "click"]) over.dispatchEvent(new MouseEvent(what, at));
		return document.querySelector(location.hash || "#none").textContent;
	})()`); !strings.Contains(got, "services=10000") && !strings.Contains(got, "services 10000") {
		t.Errorf("a click leads to %q", got)
	}
	w.call("Emulation.setScriptExecutionDisabled", object{"value": true})
	w.open("file://" + file)
	w.call("Emulation.setScriptExecutionDisabled", object{"value": false})
	if got := w.eval(parts); !strings.HasSuffix(got, "svg") || strings.Contains(got, "DIV") {
		t.Errorf("without scripts: %q", got)
	}
}

// pointText is what a chart says of the first packet of a variant at that number of services: "iptables 40.0 µs/pkt [39.7, 43.4]".
func pointText(t *testing.T, r *record.Run, variant, services string) string {
	t.Helper()
	plots, _, err := plot.Plots(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range plots {
		if p.Name != "newflow" {
			continue
		}
		for _, l := range p.Chart.Lines {
			for i, cell := range l.Cells {
				if l.Name == variant && strings.Contains(cell, "services="+services) {
					return fmt.Sprintf("%s %s %s [%s, %s]", variant, unit.Digits(l.Y[i]), p.Chart.Y.Unit, unit.Digits(l.Low[i]), unit.Digits(l.High[i]))
				}
			}
		}
	}
	t.Fatalf("no point of %s at %s", variant, services)
	return ""
}

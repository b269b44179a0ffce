// SPDX-License-Identifier: Apache-2.0

package readers

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func golden(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "testdata", name+".golden"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestOpenMetrics: Prometheus reads every sample, with the text as it was and the time of its commit.
func TestOpenMetrics(t *testing.T) {
	const cpu = "QEMU say \"hi\", it's <b>&amp; C:\\n; ü 日本 {x=\"1\"} # 5 %"
	data := golden(t, "openmetrics")
	p := textparse.NewOpenMetricsParser(data, labels.NewSymbolTable())
	samples, types := map[string]int{}, map[string]string{}
	for {
		what, err := p.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch what {
		case textparse.EntryType:
			name, kind := p.Type()
			types[string(name)] = string(kind)
		case textparse.EntrySeries:
			var l labels.Labels
			p.Labels(&l)
			_, at, value := p.Series()
			samples[l.Get("__name__")]++
			if got := l.Get("cpu"); got != cpu {
				t.Errorf("cpu %q", got)
			}
			if (at != nil) != (l.Get("commit") != "") || at != nil && *at != 1.7e12 {
				t.Errorf("the time of %v is %v", l, at)
			}
			if l.Get("__name__") == "kxlab_insn_per_pkt" && l.Get("axis_flows") == "64" && value != 1501.375 {
				t.Errorf("%v is %v", l, value)
			}
		}
	}
	want := map[string]int{"kxlab_cell_trials": 7, "kxlab_cell_unmeasured_info": 4, "kxlab_insn_per_pkt": 3, "kxlab_cpu_ns_per_conn": 1, "kxlab_lost_share": 1, "kxlab_pkt_per_s": 2}
	for name, n := range want {
		if samples[name] != n || types[strings.TrimSuffix(name, "_info")] == "" {
			t.Errorf("%s: %d samples of type %q, want %d", name, samples[name], types[strings.TrimSuffix(name, "_info")], n)
		}
	}
	if len(samples) != len(want) {
		t.Errorf("samples %v", samples)
	}
}

// TestSchemas: each JSON file is as its format's schema wants it, and each schema refuses what its format does.
func TestSchemas(t *testing.T) {
	for name, tt := range map[string]struct {
		schema   string
		from, to string // what turns the file into one that is refused
	}{
		"customSmallerIsBetter": {"github-action-benchmark", `"value": `, `"worth": `},
		"customBiggerIsBetter":  {"github-action-benchmark", `"unit": "pkt/s"`, `"unit": 7`},
		"bencher":               {"bencher", `"lower_value": `, `"lower_value": "low", "x": `},
		"kcidb":                 {"kcidb", `"status": "DONE"`, `"status": "done"`},
	} {
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		s, err := c.Compile(filepath.Join("schemas", tt.schema+".json"))
		if err != nil {
			t.Fatal(err)
		}
		data := golden(t, name)
		if err := validate(s, data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		bad := bytes.Replace(data, []byte(tt.from), []byte(tt.to), 1)
		if bytes.Equal(bad, data) || validate(s, bad) == nil {
			t.Errorf("%s: with %s for %s it passes", name, tt.to, tt.from)
		}
	}
}

func validate(s *jsonschema.Schema, data []byte) error {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

// TestLinks: in the report for KCIDB each test names a build that is there, and each build a checkout.
func TestLinks(t *testing.T) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(golden(t, "kcidb")))
	if err != nil {
		t.Fatal(err)
	}
	ids := func(kind, field string) (out []string) {
		for _, o := range doc.(map[string]any)[kind].([]any) {
			out = append(out, o.(map[string]any)[field].(string))
		}
		return out
	}
	for _, link := range [][3]string{{"builds", "checkout_id", "checkouts"}, {"tests", "build_id", "builds"}} {
		for _, id := range ids(link[0], link[1]) {
			found := 0
			for _, have := range ids(link[2], "id") {
				if have == id {
					found++
				}
			}
			if found != 1 {
				t.Errorf("%d of %s have the id %s", found, link[2], id)
			}
		}
	}
	if n := len(ids("tests", "id")); n != 11 {
		t.Errorf("%d tests, want a test for each of 7 medians and 4 cells without a number", n)
	}
}

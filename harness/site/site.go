// SPDX-License-Identifier: Apache-2.0

package site

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"math"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/page"
	"github.com/kxlab/kxlab/harness/verdict"
)

//go:embed site.html
var siteText string

// A Run is a run with the name that it has on the site, which is that of its folder.
type Run struct {
	Name     string
	Analysis *verdict.Analysis
	Lost     bool // its commit is not in the repository of the site, so readers cannot get it
}

// A shown run is one with its page.
type shown struct {
	Run
	File  string // of its page
	Where string // "host, kernel 6.18"
	Page  *page.Page
	rank  int // how much it says about its question
}

// Trials is how many trials a cell has: "5", or "1 to 5".
func (s shown) Trials() string {
	least, most := math.MaxInt, 0
	for _, o := range s.Analysis.Samples {
		least, most = min(least, len(o.Values)), max(most, len(o.Values))
	}
	if least >= most {
		return fmt.Sprint(most)
	}
	return fmt.Sprintf("%d to %d", least, most)
}

// A question is an experiment with all its runs, the one that says most first.
type question struct {
	Name, Ask, Title, Text string
	File                   string
	Runs                   []shown
	Claims                 []claim
}

// Best is the run that says most.
func (q question) Best() shown { return q.Runs[0] }

// A claim is one on the site: what was said, and what each run shows of it.
type claim struct {
	page.Claim
	Cannot string // why it cannot be tested here; then there are no results
	Of     []result
}

// A result is what one run shows of a claim.
type result struct {
	page.Claim
	Run shown
}

// Link leads to the claim on the run's page, or to the page if the run, of an experiment that extends the claim's, has no such row.
func (r result) Link() string {
	if slices.ContainsFunc(r.Run.Page.Claims, func(c page.Claim) bool { return c.ID == r.ID }) {
		return r.Run.File + "#claim-" + r.ID
	}
	return r.Run.File
}

// Make returns the files of the site, by their paths. past is what the page of the history shows; nil: nothing is recorded. kernels are what
// the page of kernels shows; without any there is no such page.
func Make(runs []Run, claims []harness.Claim, past *page.HistoryView, kernels []page.KernelSet) (map[string][]byte, error) {
	all, err := draw(runs)
	if err != nil {
		return nil, err
	}
	var questions []question
	// Experiments that ask the same question have one page: one that extends another, in which a program of the user's takes part.
	ask := func(s shown) string { return cmp.Or(s.Analysis.Run.Env.Ask, s.Analysis.Run.Env.Experiment) }
	for _, same := range harness.GroupBy(all, ask) {
		slices.SortStableFunc(same, func(x, y shown) int { return cmp.Or(cmp.Compare(y.rank, x.rank), cmp.Compare(x.Name, y.Name)) })
		e := same[0].Analysis.Run.Env
		q := question{Name: e.Experiment, Title: cmp.Or(e.Title, e.Experiment), Text: e.Question, File: "question-" + fileName(e.Experiment) + ".html", Runs: same}
		q.Ask = cmp.Or(e.Ask, q.Title)
		q.Claims = claimsOf(q, claims)
		questions = append(questions, q)
	}
	slices.SortStableFunc(questions, func(x, y question) int { return cmp.Compare(y.weight(), x.weight()) })
	return write(questions, past, kernels)
}

// weight puts the questions with claims first, then those with more runs.
func (q question) weight() int { return 1000*len(q.Claims) + len(q.Runs) }

// draw makes the pages of all runs, sorted by name.
func draw(runs []Run) ([]shown, error) {
	runs = slices.SortedFunc(slices.Values(runs), func(x, y Run) int { return strings.Compare(x.Name, y.Name) })
	all, errs := make([]shown, len(runs)), make([]error, len(runs))
	names := map[string]string{}
	for i, r := range runs {
		id := r.Analysis.ID
		all[i] = shown{Run: r, File: "run-" + fileName(r.Name) + ".html", Where: id.Target + ", kernel " + id.Kernel}
		if other, twice := names[all[i].File]; twice {
			return nil, fmt.Errorf("make site: runs %s and %s would have the same page, %s: rename one", other, r.Name, all[i].File)
		}
		names[all[i].File] = r.Name
	}
	var group sync.WaitGroup
	room := make(chan struct{}, runtime.NumCPU())
	for i := range all {
		group.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			all[i].Page, errs[i] = page.New(all[i].Analysis)
			if errs[i] == nil && all[i].Lost {
				all[i].Page.Shown += ", which is not in the repository"
			}
			if errs[i] == nil {
				all[i].rank = page.Weight(all[i].Analysis)
			}
		})
	}
	group.Wait()
	for i, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("make site: run %s: %w", all[i].Name, err)
		}
	}
	return all, nil
}

// claimsOf are the claims on a question that a run asked for or that cannot be tested here, those of the shipped list in its order, then
// those that only records have.
func claimsOf(q question, shipped []harness.Claim) (out []claim) {
	list := harness.Filter(shipped, func(c harness.Claim) bool { return c.Experiment == q.Name })
	for _, r := range q.Runs {
		for _, f := range r.Analysis.Findings {
			if !slices.ContainsFunc(list, func(c harness.Claim) bool { return c.ID == f.Claim.ID }) {
				list = append(list, f.Claim)
			}
		}
	}
	for _, c := range list {
		k := claim{Claim: page.NewClaim(verdict.Finding{Claim: c}), Cannot: c.Cannot}
		for _, r := range q.Runs {
			// The run's own words, as its figure may have been another.
			f, recorded := harness.Find(r.Analysis.Findings, func(f verdict.Finding) bool { return f.Claim.ID == c.ID })
			if !recorded {
				f = r.Analysis.Evaluate(c)
			}
			if f.Asked && f.Ratio.N > 0 {
				k.Of = append(k.Of, result{page.NewClaim(f), r})
			}
		}
		out = append(out, k)
	}
	return out
}

var odd = regexp.MustCompile(`[^A-Za-z0-9._]+`)

// fileName is a name as a part of a file's name and of an address.
func fileName(name string) string { return odd.ReplaceAllString(name, "-") }

// A sheet is what a page of the site is made of.
type sheet struct {
	Links     []page.Link
	Title     string
	Style     template.CSS
	Script    template.JS
	Questions []question
	Question  question
	Runs      int
	Words     []word // of the lab
	Terms     []word // of the field
	Lead      []page.Picture
	History   *page.HistoryView
	Kernels   []page.KernelSet
	ChartTag  template.HTML
}

// charted is the sheet with what its charts need.
func (s sheet) charted(pictures []page.Picture) sheet {
	if page.Charted(pictures) {
		s.Style, s.ChartTag = page.ChartStyle()+s.Style, page.ChartTag(page.ChartFile)
	}
	return s
}

func write(questions []question, past *page.HistoryView, kernels []page.KernelSet) (map[string][]byte, error) {
	t, err := template.New("site").Funcs(template.FuncMap{"plural": harness.Plural[int]}).Parse(siteText)
	if err != nil {
		return nil, fmt.Errorf("parse site: %w", err)
	}
	links := []page.Link{{Text: "Answers and claims", To: "index.html"}}
	runs := 0
	for _, q := range questions {
		links = append(links, page.Link{Text: q.Ask, To: q.File})
		runs += len(q.Runs)
	}
	pages := [][3]string{{"index.html", "index", "kxlab: answers and claims"}, {"history.html", "history", "kxlab: history"}, {"method.html", "method", "kxlab: method"}, {"words.html", "words", "kxlab: words"}}
	if len(kernels) > 0 {
		links = append(links, page.Link{Text: "Kernels", To: "kernels.html"})
		pages = append(pages, [3]string{"kernels.html", "kernels", "kxlab: kernels"})
	}
	links = append(links, page.Link{Text: "History", To: "history.html"}, page.Link{Text: "Method", To: "method.html"}, page.Link{Text: "Words", To: "words.html"})
	files := map[string][]byte{page.ChartFile: []byte(page.ChartScript())}
	base := sheet{Links: links, Style: page.Style(), Script: page.Script(), Questions: questions, Runs: runs, Words: words(), Terms: terms(), History: past, Kernels: kernels}
	add := func(file, name, title string, s sheet) error {
		var b bytes.Buffer
		s.Title = title
		err := t.ExecuteTemplate(&b, name, s)
		files[file] = page.Clean(b.Bytes())
		return err
	}
	for _, p := range pages {
		s := base
		if p[1] == "history" && past != nil {
			s = s.charted(harness.Map(past.Drawn, func(d page.DrawnSeries) page.Picture { return d.Picture }))
		}
		if err := add(p[0], p[1], p[2], s); err != nil {
			return nil, fmt.Errorf("make site: %s: %w", p[0], err)
		}
	}
	for _, q := range questions {
		s := base
		s.Question = q
		for _, p := range q.Best().Page.Lead {
			s.Lead = append(s.Lead, p.On(q.Best().File))
		}
		s.Style += q.Best().Page.Colours
		s = s.charted(s.Lead)
		if err := add(q.File, "question", "kxlab: "+q.Ask, s); err != nil {
			return nil, fmt.Errorf("make site: %s: %w", q.File, err)
		}
		for _, r := range q.Runs {
			var b bytes.Buffer
			if err := r.Page.Write(&b, page.Frame{Links: links, Charts: page.ChartFile}); err != nil {
				return nil, fmt.Errorf("make site: %s: %w", r.File, err)
			}
			files[r.File] = b.Bytes()
		}
	}
	return files, nil
}

// paths are those of the files, sorted.
func paths(files map[string][]byte) []string { return slices.Sorted(maps.Keys(files)) }

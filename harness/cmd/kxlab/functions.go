// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/kxlab/kxlab/harness/cache"
	"github.com/kxlab/kxlab/harness/profile"
	"github.com/kxlab/kxlab/harness/runner"
	"github.com/kxlab/kxlab/harness/sys"
	"github.com/kxlab/kxlab/vm"
)

// countedVersion changes when equal guests give other tables.
const countedVersion = 2

// functions makes one more trial of some cells in a guest that counts instructions by address, and returns a table for each unit that
// was counted. Tables of an earlier guest are kept.
func (g *guests) functions(ctx context.Context, j runner.Job) ([]profile.Table, error) {
	if err := vm.CanCount(); err != nil {
		return nil, err
	}
	c, err := g.command(j)
	if err != nil {
		return nil, err
	}
	raw, err := g.keptOnce(ctx, c, fmt.Sprintf("functions%d", countedVersion), func() ([]byte, error) {
		tables, err := g.count(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("count instructions by function: %w", err)
		}
		return json.Marshal(tables)
	})
	if err != nil {
		return nil, err
	}
	var tables []profile.Table
	if err := json.Unmarshal(raw, &tables); err != nil {
		return nil, fmt.Errorf("count instructions by function: %w", err)
	}
	return tables, nil
}

// keptOnce returns what get makes of an exact guest, or the same of an earlier one. Kind names what it is and its version.
func (g *guests) keptOnce(ctx context.Context, c *vm.Cmd, kind string, get func() ([]byte, error)) ([]byte, error) {
	if g.reports == nil {
		return get()
	}
	digest, err := c.Digest(ctx)
	if err != nil {
		return nil, err
	}
	digest += "-" + kind
	if kept, ok := g.reports.read(ctx, digest); ok {
		return kept.Lines, nil
	}
	raw, err := get()
	if err == nil {
		g.reports.keep(digest, vm.Ready{}, raw)
	}
	return raw, err
}

// count runs a guest and reads what was counted in it.
func (g *guests) count(ctx context.Context, c *vm.Cmd) (out []profile.Table, err error) {
	counts, err := vm.NewCounts()
	if err != nil {
		return nil, err
	}
	defer counts.Close()
	var lines bytes.Buffer
	c.Counts, c.Stdout, c.OnReady = counts, &lines, nil
	if err := g.alone(ctx, c); err != nil {
		return nil, err
	}
	attempts, err := runner.ReadCounted(lines.Bytes())
	if err != nil {
		return nil, err
	}
	if _, err := counts.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	trials, err := profile.ReadCounts(counts)
	if err != nil {
		return nil, err
	}
	kernel, err := g.symbols(ctx)
	if err != nil {
		return nil, err
	}
	var wrong error
	for i, a := range attempts {
		switch {
		case a.Invalid != "" || a.Counted == nil:
			wrong = fmt.Errorf("the trial of %s does not count: %s", a.Cell, a.Invalid)
			continue
		case a.Counted.Failed != "":
			wrong = errors.New(a.Counted.Failed)
		case i >= len(trials) || len(trials[i]) != len(a.Counted.Windows):
			return nil, fmt.Errorf("%s: the guest opened other windows than the plug-in saw", a.Cell)
		case len(trials[i]) == 0:
			wrong = fmt.Errorf("the workload of %s does not say which instructions count", a.Cell)
		}
		space := profile.NewSpace(kernel, *a.Counted)
		for k, w := range a.Counted.Windows {
			out = append(out, profile.NewTable(a.Cell, trials[i][k], w, space))
		}
	}
	if len(out) == 0 && wrong == nil {
		wrong = errors.New("no trial was made")
	}
	if len(out) > 0 {
		wrong = nil
	}
	return out, wrong
}

// alone runs an exact guest on a processor that no other uses.
func (g *guests) alone(ctx context.Context, c *vm.Cmd) error {
	mine := <-g.free
	defer func() { g.free <- mine }()
	c.Processor = &mine
	return runGuest(ctx, c)
}

// symbolsMax is how many kernels' symbols the cache holds.
const symbolsMax = 8

// symbols returns the symbols of the guests' kernel and modules: from the cache, or from a guest that prints them.
func (g *guests) symbols(ctx context.Context) (k profile.Kernel, err error) {
	dir, err := cache.Dir("symbols")
	if err != nil {
		return k, err
	}
	st, err := os.Stat(g.kernel.Image)
	if err != nil {
		return k, fmt.Errorf("read kernel's symbols: %w", err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "symbols 1 %q %d %d %q %d %d", g.kernel.Image, st.Size(), st.ModTime().UnixNano(), g.spec.Modules, g.cpus, g.memory))
	path := filepath.Join(dir, hex.EncodeToString(sum[:16]))
	raw, err := os.ReadFile(path)
	if err == nil {
		k, err = readSymbols(raw)
	}
	if err == nil {
		cache.Touch(path)
		return k, nil
	}
	cache.Damaged(ctx, "the list "+path+" of a kernel's symbols", err, "a guest prints them anew")
	c, err := g.command(runner.Job{})
	if err != nil {
		return k, err
	}
	var out bytes.Buffer
	c.Args, c.Files, c.Acknowledge, c.OnReady = []string{"kxlab", symbolsCommand}, nil, false, nil
	c.Exact, c.Stdout = &vm.Exact{Seed: 1}, &out
	if err := g.alone(ctx, c); err != nil {
		return k, fmt.Errorf("read kernel's symbols: %w", err)
	}
	if k, err = readSymbols(out.Bytes()); err != nil {
		return k, err
	}
	_ = cache.WriteFile(path, func(f *os.File) error { _, err := f.Write(out.Bytes()); return err }) // else the next run reads them again
	cache.Prune(dir, symbolsMax)
	return k, nil
}

// readSymbols reads what the command symbols wrote.
func readSymbols(raw []byte) (k profile.Kernel, err error) {
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err == nil {
		err = json.NewDecoder(z).Decode(&k)
	}
	if err != nil {
		return k, fmt.Errorf("read kernel's symbols: %w", err)
	}
	return k, nil
}

const symbolsCommand = "symbols"

// newSymbols is the hidden command that a guest executes to print the symbols of its kernel.
func newSymbols(s streams) *cobra.Command {
	return &cobra.Command{
		Use: symbolsCommand, Short: "Print the symbols of a guest's kernel", Hidden: true, Args: cobra.NoArgs,
		RunE: action(func(*cobra.Command, []string) error {
			f, err := os.Open("/proc/kallsyms")
			if err != nil {
				return fmt.Errorf("read kernel's symbols: %w", err)
			}
			defer f.Close()
			var k profile.Kernel
			if k.Symbols, err = profile.ParseKallsyms(f); err != nil {
				return err
			}
			if k.Modules, err = sys.Modules(); err != nil {
				return err
			}
			z, err := gzip.NewWriterLevel(s.out, gzip.BestSpeed)
			if err != nil {
				return err
			}
			return errors.Join(json.NewEncoder(z).Encode(k), z.Close())
		}),
	}
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/vm"
)

const vmLong = `vm boots kernels in QEMU. A kernel is named by a suite of the distribution (forky, debian:trixie), a version (6.12), or the
path of a kernel image or a kernel build tree; /full behind a suite or version means the kernel with all drivers. What is fetched is
checked against the distribution's keys and kept in $KXLAB_CACHE, by default kxlab in the user's cache folder.`

const vmRunLong = `run boots a guest, runs the command in it and exits with its exit code. The command's standard input is this one's, read to its end before
the guest boots; that of a terminal is not read. See vm shell for a terminal.`

func newVM(s streams) *cobra.Command {
	cmd := &cobra.Command{
		Use: "vm", Short: "The kernels at hand; get one; run a command in one", Long: vmLong, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newVMKernels(s), newVMFetch(s), newVMShell(), newVMRun(s))
	return cmd
}

func newVMKernels(s streams) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "kernels", Short: "The kernels in the cache", Args: cobra.NoArgs,
		RunE: action(func(*cobra.Command, []string) error {
			kernels, err := vm.Cached()
			if err != nil {
				return err
			}
			if asJSON {
				return s.json(append([]*vm.Kernel{}, kernels...))
			}
			w := s.table()
			fmt.Fprintln(w, "RELEASE\tVERSION\tSUITE\tFLAVOUR\tIMAGE")
			for _, k := range kernels {
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", k.Release, k.Version, k.Suite, k.Flavour, k.Image)
			}
			return w.Flush()
		}),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func newVMFetch(s streams) *cobra.Command {
	return &cobra.Command{
		Use: "fetch [KERNEL...]", Short: "Get the newest kernel of a suite or version (default " + vm.DefaultSpec + ")",
		RunE: action(func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{""}
			}
			for _, name := range args {
				if err := vm.CheckName(name); err != nil {
					return usage(err)
				}
			}
			for _, name := range args {
				k, err := vm.Fetch(cmd.Context(), name)
				if err != nil {
					return err
				}
				fmt.Fprintf(s.out, "%s\t%s\n", k.Release, k.Image)
			}
			return nil
		}),
	}
}

type vmFlags struct {
	kernel                 string
	exact, virtme, console bool
	seed                   uint64
	cpus                   int
	memory                 int64 // MiB
	modules, tools         []string
}

func (f *vmFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.kernel, "kernel", vm.DefaultSpec, "the kernel to boot")
	cmd.Flags().IntVar(&f.cpus, "cpus", 1, "virtual CPUs")
	cmd.Flags().Int64Var(&f.memory, "memory", vm.DefaultMemory>>20, "memory, in MiB")
	cmd.Flags().StringSliceVar(&f.modules, "modules", nil, "kernel modules to load")
	cmd.Flags().StringSliceVar(&f.tools, "tools", nil, "programs of this machine to take along")
}

// maxMemoryMB is the most memory that a guest may be asked for, MiB: 1 PiB, which no machine has.
const maxMemoryMB = 1 << 30

// check returns an error for a flag with a value that no guest has.
func (f vmFlags) check() error {
	switch {
	case f.cpus < 1 || f.cpus > maxCPUs:
		return fmt.Errorf("--cpus %d: want 1 to %d", f.cpus, maxCPUs)
	case f.memory < 1 || f.memory > maxMemoryMB:
		return fmt.Errorf("--memory %d: want 1 to %d, in MiB, such as 1024", f.memory, maxMemoryMB)
	}
	return vm.CheckName(f.kernel)
}

func newVMRun(s streams) *cobra.Command {
	var f vmFlags
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "run [flags] -- COMMAND [ARG...]", Short: "Run a command of this machine in a guest", Long: vmRunLong, Args: cobra.MinimumNArgs(1),
		RunE: action(func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return usage(err)
			}
			if timeout < 0 {
				return usage(fmt.Errorf("--timeout %v: want 0 or more, such as 30s", timeout))
			}
			if f.virtme {
				f.kernel = vm.Full(f.kernel)
			}
			k, err := vm.Open(cmd.Context(), f.kernel)
			if err != nil {
				return err
			}
			if strings.Contains(args[0], "/") {
				if args[0], err = filepath.Abs(args[0]); err != nil {
					return err
				}
			}
			c := &vm.Cmd{
				Note:   func(text string) { s.note("%s", text) },
				Kernel: k, Args: args, CPUs: f.cpus, Memory: f.memory << 20, Modules: f.modules, Tools: f.tools,
				Stdin: guestInput(cmd.InOrStdin()), Stdout: s.out, Stderr: s.err, Virtme: f.virtme,
			}
			if c.Stdin != nil {
				late := time.AfterFunc(2*time.Second, func() {
					s.note("reading standard input to its end before the guest boots; </dev/null gives the program none")
				})
				defer late.Stop()
				c.Stdin = &endReader{c.Stdin, late.Stop}
			}
			if f.exact {
				c.Exact = &vm.Exact{Seed: f.seed}
				c.OnReady = func(r vm.Ready) { s.note("%v", r.Calibration) }
			}
			if args[0] != "kxlab" {
				c.Tools = append(c.Tools, args[0])
			}
			if f.console {
				c.Console = s.err
			}
			ctx := cmd.Context()
			if timeout > 0 {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, timeout)
				defer cancel()
			}
			return guestEnd(c.Run(ctx))
		}),
	}
	f.add(cmd)
	cmd.Flags().DurationVar(&timeout, "timeout", 0, "end the guest after this time (0: only when nothing comes from it any more)")
	cmd.Flags().BoolVar(&f.console, "console", false, "show the kernel's messages")
	cmd.Flags().BoolVar(&f.virtme, "virtme", false, "with this machine's root file system, read-only, through virtme-ng")
	cmd.Flags().BoolVar(&f.exact, "exact", false, "count instructions: virtual time is the same in every run with one seed")
	cmd.Flags().Uint64Var(&f.seed, "seed", 1, "of all entropy, with --exact")
	return cmd
}

func newVMShell() *cobra.Command {
	var f vmFlags
	cmd := &cobra.Command{
		Use: "shell [flags] [-- COMMAND [ARG...]]", Short: "A shell in a guest that has this machine's root file system, read-only",
		RunE: action(func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return usage(err)
			}
			k, err := vm.Open(cmd.Context(), vm.Full(f.kernel)) // cloud kernels cannot share file systems
			if err != nil {
				return err
			}
			if len(args) == 0 {
				args = []string{"bash", "-l"}
			}
			return guestEnd((&vm.Cmd{
				Kernel: k, Args: args, CPUs: f.cpus, Memory: f.memory << 20, Modules: f.modules, Tools: f.tools,
				Virtme: true, Terminal: true, Env: []string{"TERM=" + os.Getenv("TERM")}, Dir: "/",
			}).Run(cmd.Context()))
		}),
	}
	f.add(cmd)
	return cmd
}

// guestInput is what a guest's program reads: all of this process's standard input, but nothing of a terminal, whose input has no
// end before the guest boots.
func guestInput(in io.Reader) io.Reader {
	f, ok := in.(*os.File)
	if !ok {
		return in
	}
	if _, err := f.Stat(); err != nil { // closed
		return nil
	}
	if _, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS); err == nil {
		return nil
	}
	return in
}

// An endReader calls atEnd when a read fails or reaches the end.
type endReader struct {
	io.Reader
	atEnd func() bool
}

func (r *endReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil {
		r.atEnd()
	}
	return n, err
}

// guestEnd gives an error the exit code of a guest's program.
func guestEnd(err error) error {
	var exit *vm.ExitError
	if errors.As(err, &exit) && exit.Code != 0 {
		return withCode(exit.Code, err)
	}
	return err
}

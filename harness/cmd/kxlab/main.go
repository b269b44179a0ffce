// SPDX-License-Identifier: Apache-2.0

// Command kxlab compares implementations of kernel extensions: it puts each in force, checks that it works, measures it, and
// reports the differences with their confidence.
//
// This package connects the others: one file a command, each with a constructor and no global state. Results go to standard
// output, everything else to standard error. Exit codes are in exit.go, settings in config.go.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness/load"
	"github.com/kxlab/kxlab/vm"
)

func main() { program(vocabulary()) }

// program is main with the families whose words definitions may use.
func program(words experiments.Vocabulary) {
	if len(os.Args) > 1 && os.Args[1] == load.Command { // a load of the lab, without the rest of the program
		os.Exit(load.Main(os.Args[2:]))
	}
	vm.Guest() // does not return in a guest
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as under nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		<-signals
		fmt.Fprintln(os.Stderr, "\nkxlab: stopping and tidying up; once more to stop at once and leave that to kxlab clean")
		cancel()
		<-signals
		os.Exit(codeFailed)
	}()
	code := run(ctx, streams{out: os.Stdout, err: os.Stderr, columns: columns(os.Stderr)}, words, os.Args[1:])
	cancel()
	os.Exit(code)
}

// run runs one command line and returns its exit code.
func run(ctx context.Context, s streams, words experiments.Vocabulary, args []string) int {
	root := newRoot(s, words)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	return end(s, cmd, err)
}

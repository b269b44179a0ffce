// SPDX-License-Identifier: Apache-2.0

// Command kxlab compares implementations of kernel extensions: it puts each in force, proves that it does its job,
// measures it, and says what differs, by how much, and how sure it is.
//
// This package wires the others together: one file a command, each a constructor without state of its own. Results go
// to standard output, everything else to standard error. Exit codes are in exit.go, settings in config.go.
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

// program is main, for definitions that use these words.
func program(words experiments.Vocabulary) {
	if len(os.Args) > 1 && os.Args[1] == load.Command { // the lab's own load, which has to be small and quiet
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

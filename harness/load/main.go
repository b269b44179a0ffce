// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A program is a running load.
type program struct {
	Spec
	stopped atomic.Bool
}

// Main is the program: its argument is a Spec in JSON. It returns the exit code. It says "ready", waits for the line
// "go", and writes a Report as one line of JSON when it is done, which a line "stop" may bring about. When its input
// ends, so does it.
func Main(args []string) int {
	debug.SetGCPercent(-1)
	p := &program{}
	if len(args) != 1 {
		fmt.Fprintln(os.Stderr, "load: want one argument, a specification")
		return 2
	}
	if err := json.Unmarshal([]byte(args[0]), &p.Spec); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		return 2
	}
	kinds := map[string]func() (Report, error){
		Spin: p.spin, Pipe: p.pipe, Wake: p.wake, Bench: p.bench, Mixed: p.mixed, Fork: p.fork, Probe: p.probe, Sleepy: p.sleepy,
	}
	kind, ok := kinds[p.Kind]
	if !ok {
		fmt.Fprintf(os.Stderr, "load: no kind %q\n", p.Kind)
		return 2
	}
	// A thread that waits in the kernel keeps its P, so there must be enough of them.
	runtime.GOMAXPROCS(len(p.Threads) + p.Workers + 8)
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	if !in.Scan() {
		return 0
	}
	go func() {
		for in.Scan() {
			p.stopped.Store(true)
		}
		os.Exit(0) // the lab is gone, gave up, or has the report
	}()
	r, err := kind()
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(r)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		return 1
	}
	return 0
}

// readSwitches returns the context switches of the process so far.
func readSwitches() (all, forced int64) {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0, 0
	}
	return u.Nvcsw + u.Nivcsw, u.Nivcsw
}

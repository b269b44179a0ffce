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

// Main is the program: its argument is a Spec in JSON. It returns the exit code. Main writes "ready", waits for the line "go",
// and writes a Report as one line of JSON when the load is done. A line "stop" ends the load. The program exits when its input
// ends.
func Main(args []string) int {
	debug.SetGCPercent(-1)
	p := &program{}
	if len(args) != 1 {
		fmt.Fprintf(os.Stderr, "load: %d arguments, want one specification\n", len(args))
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
		fmt.Fprintf(os.Stderr, "load: unknown kind %q\n", p.Kind)
		return 2
	}
	// A thread that waits in the kernel keeps its P, so that each thread needs one.
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
		os.Exit(0) // the lab exited, cancelled the load, or has the report
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

// switches are the context switches of the process.
type switches struct{ all, forced int64 }

func readSwitches() switches {
	var u unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &u) // cannot fail
	return switches{u.Nvcsw + u.Nivcsw, u.Nivcsw}
}

// countSwitches sets the report's switches to those since before.
func (r *Report) countSwitches(before switches) {
	now := readSwitches()
	r.Switches, r.Forced = now.all-before.all, now.forced-before.forced
}

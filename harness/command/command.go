// SPDX-License-Identifier: Apache-2.0

package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/sys"
)

// Role begins the role in the names of the folders and cgroups of commands (owner.Parse).
const Role = "command."

const (
	// Limits of time, as sys.Deadline has them: guest time in a guest.
	upTime   = 10 * time.Second
	syncTime = 10 * time.Second
	downTime = 5 * time.Second
	pollTime = 2 * time.Millisecond // between two looks at whether a program's sockets answer
	// graceTime is the time in which processes end that a program left behind by chance, such as the members of a pipe.
	graceTime = 100 * time.Millisecond
)

// Options describe where a command runs.
type Options struct {
	NS  string   // path of the network namespace; "": this process's
	Env []string // KEY=value, beside those that every program has
	// Ready returns why the variant is not in force yet; nil: it is. It is asked again and again while Up stays. Without, only Up says so.
	Ready func() error
	// The longest time for Up and for Sync and Flush; 0: upTime and syncTime.
	UpTime, SyncTime time.Duration
	Memory           int64 // that the programs may take, bytes; 0: a quarter of what is free
}

// A Command is the programs of one variant with what they left. It is not safe for concurrent use.
type Command struct {
	spec   harness.Command
	opts   Options
	name   string // of the folder and the cgroup
	dir    string
	group  *group
	mounts *mounts
	out    *output
	main   *process // Up, if it stayed; nil: it has ended, or has not run
	up     bool     // Up was ready, and nothing was ended since
	lives  bool     // processes were left when Up was ready
}

// number makes names of this process's commands different.
var number atomic.Int64

// New lays the programs into a folder of their own. Nothing runs yet. A program or file of this machine that they need and that is not here is
// an error that wraps harness.ErrNotSupported.
func New(spec harness.Command, opts Options) (_ *Command, err error) {
	for _, n := range spec.Needs {
		if err := checkNeed(n); err != nil {
			return nil, err
		}
	}
	name := groupName(number.Add(1))
	c := &Command{spec: spec, opts: opts, name: name, dir: filepath.Join(os.TempDir(), name)}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if err := errors.Join(os.Mkdir(c.dir, 0o700), os.Mkdir(c.State(), 0o700)); err != nil {
		return nil, fmt.Errorf("make folder of a command: %w", err)
	}
	for _, f := range spec.Contents {
		if err := os.WriteFile(filepath.Join(c.dir, filepath.Base(f.Name)), f.Content, f.Mode.Perm()); err != nil {
			return nil, fmt.Errorf("make folder of a command: %w", err)
		}
	}
	if c.mounts, err = makeMounts(); err != nil {
		return nil, err
	}
	c.group, err = makeGroup(name, opts.Memory)
	return c, err
}

// checkNeed returns an error that wraps harness.ErrNotSupported unless this machine has a program or file.
func checkNeed(n harness.Need) error {
	pkg := cmp.Or(n.Package, n.File)
	if !strings.Contains(n.File, "/") {
		_, err := sys.LookTool(n.File, pkg)
		return err
	}
	if _, err := os.Stat(n.File); err != nil {
		return harness.Skip("file %s is not there: `apt-get install %s` adds it", n.File, pkg)
	}
	return nil
}

// State is the folder for the programs' own files.
func (c *Command) State() string { return filepath.Join(c.dir, "state") }

// WriteFile writes a file for the programs, which find its path in a variable. They see the old file or the new one.
func (c *Command) WriteFile(variable, name string, content []byte) error {
	path := filepath.Join(c.dir, name)
	err := os.WriteFile(path+".new", content, 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if entry := variable + "=" + path; !slices.Contains(c.opts.Env, entry) {
		c.opts.Env = append(c.opts.Env, entry)
	}
	return harness.Wrap(err, "write %s for a command", name)
}

// Up runs the program that puts the variant in force, and returns when it is. After an error no process is left.
func (c *Command) Up(ctx context.Context) (err error) {
	c.out = newOutput()
	defer func() {
		if err != nil {
			err = errors.Join(err, c.end())
		}
	}()
	p, err := c.start("up", c.spec.Up)
	if err != nil {
		return err
	}
	limit := cmp.Or(c.opts.UpTime, upTime)
	for deadline := sys.NewDeadline(limit); ; {
		waits := errors.New("it has neither printed " + readyLine + " nor ended")
		if c.opts.Ready != nil {
			if waits = c.opts.Ready(); waits != nil {
				waits = fmt.Errorf("it has neither printed %s nor ended: %w", readyLine, waits)
			}
		}
		select {
		case <-p.done:
			if err := p.result(c.out); err != nil {
				return c.failed("up", err)
			}
			c.up = true
			c.settle()
			return c.ready(c.Fault())
		case <-c.out.ready:
			waits = nil
		case <-ctx.Done():
			return fmt.Errorf("run up: %w", ctx.Err())
		case <-time.After(pollTime):
		}
		switch {
		case waits == nil:
			c.main, c.up, c.lives = p, true, true
			return c.ready(nil)
		case deadline.Over():
			return c.failed("up", fmt.Errorf("not ready after %v: %w", deadline.Passed(), waits))
		}
	}
}

// ready is the fault of a program that is ready, also if a process of it left the cgroup.
func (c *Command) ready(fault error) error {
	if err := c.left(); err != nil {
		return c.failed("up", err)
	}
	return fault
}

// settle notes whether Up, which has ended, left processes.
func (c *Command) settle() {
	for deadline := time.Now().Add(graceTime); ; time.Sleep(pollTime) {
		if c.lives = c.group.populated(); !c.lives || time.Now().After(deadline) {
			return
		}
	}
}

var errFlood = fmt.Errorf("it printed more than %d MiB and was ended", outputMax>>20)

// Has reports whether the variant has a program of that action: sync, flush, down.
func (c *Command) Has(action string) bool { return c.path(action) != "" }

func (c *Command) path(action string) string {
	switch action {
	case "sync":
		return c.spec.Sync
	case "flush":
		return c.spec.Flush
	case "down":
		return c.spec.Down
	}
	return ""
}

// Run runs the program of an action to its end.
func (c *Command) Run(ctx context.Context, action string) error {
	limit := cmp.Or(c.opts.SyncTime, syncTime)
	if action == "down" {
		limit = min(limit, downTime)
	}
	if c.out == nil {
		c.out = newOutput()
	}
	p, err := c.start(action, c.path(action))
	if err != nil {
		return err
	}
	deadline := sys.NewDeadline(limit)
	look := time.NewTimer(limit)
	defer look.Stop()
	for {
		select {
		case <-p.done:
			if err := p.result(c.out); err != nil {
				return c.failed(action, err)
			}
			return nil
		case <-ctx.Done():
			p.kill()
			return fmt.Errorf("run %s: %w", action, ctx.Err())
		case <-look.C:
			if deadline.Over() {
				p.kill()
				return c.failed(action, fmt.Errorf("it has not ended after %v", deadline.Passed()))
			}
			look.Reset(limit / 10)
		}
	}
}

// Pid is the process of Up, if it stayed; 0: it has ended, or has not run.
func (c *Command) Pid() int {
	if c.main == nil {
		return 0
	}
	return c.main.pid
}

// Again ends all processes and runs Up once more.
func (c *Command) Again(ctx context.Context) error {
	if err := c.end(); err != nil {
		return err
	}
	return c.Up(ctx)
}

// Fault returns why the variant is no longer in force as far as its processes show: nil while they live.
func (c *Command) Fault() error {
	switch {
	case c.group == nil:
		return errors.New("the command is closed")
	case c.out != nil && c.out.isFlood():
		return c.failed("up", errFlood)
	case c.group.memory.limit > 0 && c.group.memory.exceeded() != nil:
		return c.failed("up", errors.New("it has no longer all its processes"))
	case c.main != nil:
		select {
		case <-c.main.done:
			err := c.main.result(c.out)
			switch {
			case err != nil:
				return c.failed("up", fmt.Errorf("it has ended: %w", err))
			case !c.group.populated(): // else it went into the background after it was ready
				return c.failed("up", cmp.Or(c.left(), errors.New("it has ended: exit status 0")))
			}
		default:
			if !c.group.populated() {
				return harness.Wrap(c.left(), "run up")
			}
		}
	case c.lives && !c.group.populated():
		return c.failed("up", cmp.Or(c.left(), errors.New("all processes that it left have ended")))
	}
	return nil
}

// skipCode is the exit status by which Up says that this machine or kernel lacks something; what it printed says what.
const skipCode = 77

// notFoundCode is the exit status of a shell that did not find a program.
const notFoundCode = 127

// Explain is an error about a variant that Up put in force, with what its programs printed.
func (c *Command) Explain(err error) error { return c.failed("up", err) }

// failed is an error of a program, with what the variant's programs printed.
func (c *Command) failed(action string, err error) error {
	var exit *exec.ExitError
	if action == "up" && !c.up && errors.As(err, &exit) && exit.ExitCode() == skipCode {
		return harness.Skip("%s", cmp.Or(c.out.String(), "its program up says that this machine lacks something, and not what"))
	}
	if over := c.group.memory.exceeded(); over != nil {
		err = fmt.Errorf("%w: %w", over, err)
	}
	text := c.out.String()
	if errors.As(err, &exit) && exit.ExitCode() == notFoundCode || strings.Contains(text+"\n", ": not found\n") {
		err = fmt.Errorf("%w: a program was not found: name it in needs", err)
	}
	if text != "" {
		return fmt.Errorf("run %s: %w; it printed: %s", action, err, text)
	}
	return fmt.Errorf("run %s: %w; it printed nothing", action, err)
}

// end ends all processes. Others may be started then.
func (c *Command) end() error {
	if c.group == nil {
		return nil
	}
	c.main, c.up, c.lives = nil, false, false
	return errors.Join(c.group.kill(), c.endOutside(), c.group.renew()) // those outside are in the cgroup that limits memory, too
}

// Close runs Down if Up was ready, ends all processes and removes the folder and the cgroup. A second call does nothing.
func (c *Command) Close() error {
	var errs []error
	if c.group != nil {
		if c.up && c.Has("down") {
			errs = append(errs, c.Run(context.Background(), "down"))
		}
		if err := c.left(); err != nil {
			errs = append(errs, c.failed("up", err))
		}
		errs = append(errs, c.group.kill(), c.endOutside(), c.group.close())
	}
	if c.mounts != nil {
		c.mounts.close()
	}
	c.group, c.mounts, c.main = nil, nil, nil
	return errors.Join(append(errs, sys.RemoveAll(c.dir))...)
}

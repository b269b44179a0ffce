// SPDX-License-Identifier: Apache-2.0

package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/owner"
	"github.com/kxlab/kxlab/harness/sys"
)

// A process is a program that was started.
type process struct {
	pid  int
	done chan struct{} // closed when it has ended
	err  error         // of its end; valid after done
	read chan struct{} // closed when all that it and its children print has been read
}

// result is how a process ended. The call waits until the last output was read, but not for that of daemons which the process left.
func (p *process) result(o *output) error {
	select {
	case <-p.read:
	case <-time.After(graceTime):
	}
	if o.isFlood() {
		return errFlood
	}
	return p.err
}

// kill ends the program and what it started since, as far as it is of its process group.
func (p *process) kill() {
	select {
	case <-p.done:
		return
	default:
	}
	_ = unix.Kill(-p.pid, unix.SIGKILL)
	<-p.done
}

// start starts a program in the command's namespace and cgroup. Its working folder is that for its own files.
func (c *Command) start(action, path string) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", action, err)
	}
	cmd := exec.Command(filepath.Join(c.dir, filepath.Base(path)))
	cmd.Dir, cmd.Stdout, cmd.Stderr = c.State(), w, w
	cmd.Env = append([]string{
		"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "HOME=" + c.State(), "TMPDIR=" + c.State(),
		owner.Variable + "=" + c.name, "KXLAB_ACTION=" + action, "KXLAB_STATE=" + c.State(), "KXLAB_FILES=" + c.dir,
	}, c.opts.Env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true, UseCgroupFD: true, CgroupFD: c.group.fd}
	p := &process{done: make(chan struct{}), read: make(chan struct{})}
	started := make(chan error, 1)
	go func() { // the thread lives as long as the program: Pdeathsig refers to it
		defer close(p.done)
		begun := false
		err := c.inside(func() error {
			if err := c.group.memory.join(); err != nil {
				return err
			}
			if err := startFree(cmd); err != nil {
				return explainStart(cmd.Path, err)
			}
			p.pid, begun = cmd.Process.Pid, true
			started <- nil
			p.err = cmd.Wait()
			return nil
		})
		if !begun {
			started <- err
		}
	}()
	err = <-started
	_ = w.Close()
	if err != nil {
		_ = r.Close()
		return nil, fmt.Errorf("run %s: %w", action, err)
	}
	out, group := c.out, c.group
	go func() {
		defer close(p.read)
		out.read(r, func() { _ = group.kill() })
	}()
	return p, nil
}

// inside runs f on a thread of its own in the command's network and mount namespaces.
func (c *Command) inside(f func() error) (err error) {
	sys.OnThread(func() {
		in := func() error {
			if err := c.mounts.enter(); err != nil {
				return err
			}
			return f()
		}
		if c.opts.NS == "" {
			err = in()
			return
		}
		fd, oerr := unix.Open(c.opts.NS, unix.O_RDONLY|unix.O_CLOEXEC, 0) // before the namespace's name is out of sight
		if err = oerr; err != nil {
			return
		}
		defer unix.Close(fd)
		err = sys.InNSOf(fd, in)
	})
	return harness.Wrap(err, "network namespace %s", c.opts.NS)
}

// explainStart names the interpreter of a script if that is what is not there.
func explainStart(path string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	raw, rerr := os.ReadFile(path)
	line, _, _ := strings.Cut(string(raw), "\n")
	if words := strings.Fields(strings.TrimPrefix(line, "#!")); rerr == nil && strings.HasPrefix(line, "#!") && len(words) > 0 {
		return fmt.Errorf("its interpreter %s is not there: install it, and name it in needs", words[0])
	}
	return err
}

// startFree starts a command. A file that was just written is busy while another thread, between fork and exec, still has its descriptor.
func startFree(cmd *exec.Cmd) error {
	for try := 0; ; try++ {
		err := cmd.Start()
		if !errors.Is(err, unix.ETXTBSY) || try >= 100 {
			return err
		}
		again := *cmd
		time.Sleep(time.Millisecond)
		*cmd = exec.Cmd{Path: again.Path, Args: again.Args, Dir: again.Dir, Stdout: again.Stdout, Stderr: again.Stderr, Env: again.Env, SysProcAttr: again.SysProcAttr}
	}
}

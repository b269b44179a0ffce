// SPDX-License-Identifier: Apache-2.0

package jit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/kxlab/kxlab/bpf"
	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness"
)

// A userPlace runs functions in a program of user space (bpf/jit/user.h).
type userPlace struct{ program []byte }

// openUser is the place of an embedded program.
func openUser(name string) (place, error) {
	if runtime.GOARCH != "amd64" {
		return nil, harness.Skip("programs of user space are compiled for amd64, not for %s", runtime.GOARCH)
	}
	raw, err := bpf.User(name)
	return userPlace{raw}, err
}

func (p userPlace) open(f function, _ order) (session, error) {
	if f.onlyBPF {
		return nil, errOnlyBPF(f)
	}
	file, err := inMemory("functions", p.program)
	if err != nil {
		return nil, err
	}
	return userSession{file}, nil
}

// A userSession is the program's file, which lies in memory.
type userSession struct{ *os.File }

// run starts the program with the job as its input.
func (s userSession) run(ctx context.Context, j *abi.JitJob) (err error) {
	in, err := inMemory("job", bytesOf(j))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	out, err := inMemory("result", nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	cmd := exec.CommandContext(ctx, fmt.Sprintf("/proc/self/fd/%d", s.Fd()))
	cmd.Stdin, cmd.Stdout = in, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run program of user space: %w", err)
	}
	if _, err := out.ReadAt(bytesOf(j), 0); err != nil {
		return fmt.Errorf("read what the program of user space wrote: %w", err)
	}
	return nil
}

// inMemory makes a file with this content that lies in memory, to be read from its beginning.
func inMemory(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	_, err = f.Write(content)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write file in memory: %w", err), f.Close())
	}
	return f, nil
}

// SPDX-License-Identifier: Apache-2.0

package sys

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// RemoveAll removes a folder of the lab's with all that is in it, also files that are immutable or may only be appended to. File systems mounted
// there are unmounted before, so that nothing of theirs is removed. A folder that does not exist is no error.
func RemoveAll(path string) error {
	if err := unmountBelow(path); err != nil {
		return err
	}
	err := os.RemoveAll(path)
	if errors.Is(err, fs.ErrPermission) {
		clearFlags(path)
		err = os.RemoveAll(path)
	}
	return err
}

// unmountBelow unmounts what is mounted at a path and below it, the last mount first.
func unmountBelow(path string) error {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil // it does not exist
	}
	raw, err := os.ReadFile("/proc/thread-self/mountinfo")
	if err != nil {
		return fmt.Errorf("read mounts below %s: %w", path, err)
	}
	for _, at := range slices.Backward(mountPoints(string(raw))) {
		if at != real && !strings.HasPrefix(at, real+"/") {
			continue
		}
		if err := unix.Unmount(at, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW); err != nil {
			return fmt.Errorf("unmount %s: %w", at, err)
		}
	}
	return nil
}

// mountPoints are the mount points in the text of /proc/PID/mountinfo, in which \040 and its like stand for bytes.
func mountPoints(text string) (out []string) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		var at strings.Builder
		for raw := fields[4]; raw != ""; {
			if n, err := strconv.ParseUint(raw[1:min(4, len(raw))], 8, 8); raw[0] == '\\' && err == nil {
				at.WriteByte(byte(n))
				raw = raw[4:]
				continue
			}
			at.WriteByte(raw[0])
			raw = raw[1:]
		}
		out = append(out, at.String())
	}
	return out
}

// clearFlags takes from all files and folders the flags of file systems by which they cannot be removed. The removal says what is left.
func clearFlags(path string) {
	_ = filepath.WalkDir(path, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() && !e.Type().IsRegular() {
			return nil
		}
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil
		}
		defer unix.Close(fd)
		const fixed = unix.STATX_ATTR_IMMUTABLE | unix.STATX_ATTR_APPEND // FS_IMMUTABLE_FL and FS_APPEND_FL have the same bits
		if flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS); err == nil && flags&fixed != 0 {
			_ = unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags&^fixed))
		}
		return nil
	})
}

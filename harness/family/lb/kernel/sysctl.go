// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/kxlab/kxlab/harness/sys"
)

// A sysctl is a setting to make. If it is optional, a kernel may lack it.
type sysctl struct {
	path, value string
	optional    bool
}

// setSysctls sets values below a directory of /proc/sys/net in the balancer's namespace. On close the old values return.
func (k *kernel) setSysctls(dir string, list []sysctl) error {
	return sys.InNS(k.at.NS, func() error { // /proc/sys/net is that of the calling thread's namespace
		for _, s := range list {
			old, err := setSysctl(dir+s.path, s.value)
			if s.optional && errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return err
			}
			if old != s.value {
				k.undo = append(k.undo, func() error {
					return sys.InNS(k.at.NS, func() error { _, err := setSysctl(dir+s.path, old); return err })
				})
			}
		}
		return nil
	})
}

// forwarding turns on forwarding, without redirects to a shorter path and without checks of source addresses.
func (k *kernel) forwarding() error {
	return k.setSysctls("", []sysctl{
		{"ipv4/ip_forward", "1", false},              // first: it resets others
		{"ipv6/conf/all/forwarding", "1", true},      // missing in a kernel without IPv6
		{"ipv4/conf/all/send_redirects", "0", false}, // in force if all or the link says so
		{"ipv4/conf/" + k.at.Link + "/send_redirects", "0", false},
		{"ipv4/conf/all/rp_filter", "0", false}, // the larger of the two counts
		{"ipv4/conf/" + k.at.Link + "/rp_filter", "0", false},
	})
}

// forwards returns an error if the namespace no longer forwards or the pass program is detached.
func (k *kernel) forwards() error {
	if err := k.pass.InForce(); err != nil {
		return err
	}
	return sys.InNS(k.at.NS, func() error {
		v, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
		if err != nil {
			return fmt.Errorf("read ip_forward: %w", err)
		}
		if strings.TrimSpace(string(v)) != "1" {
			return errors.New("forwarding was switched off")
		}
		return nil
	})
}

// setSysctl sets a value below /proc/sys/net in the calling thread's namespace and returns the old one.
func setSysctl(path, value string) (old string, err error) {
	path = "/proc/sys/net/" + path
	was, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read sysctl: %w", err)
	}
	old = strings.TrimSpace(string(was))
	if old == value {
		return old, nil
	}
	if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
		return "", fmt.Errorf("set sysctl: %w", err)
	}
	return old, nil
}

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

// forwarding sets what a router on a stick needs: forwarding, no redirects to the better way, no doubt about sources.
// What was set before comes back on close. /proc/sys/net is that of the reading thread's namespace.
func (k *kernel) forwarding() error {
	return sys.InNS(k.at.NS, func() error {
		for _, s := range [...]struct {
			path, value string
		}{
			// ip_forward first: it sets other values anew.
			{"ipv4/ip_forward", "1"},
			{"ipv6/conf/all/forwarding", "1"},
			{"ipv4/conf/all/send_redirects", "0"}, // in force if either all or the link says so
			{"ipv4/conf/" + k.at.Link + "/send_redirects", "0"},
			{"ipv4/conf/all/rp_filter", "0"}, // the larger of the two counts
			{"ipv4/conf/" + k.at.Link + "/rp_filter", "0"},
		} {
			old, err := setSysctl(s.path, s.value)
			if errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(s.path, "ipv6/") {
				continue // a kernel without IPv6 still balances IPv4
			}
			if err != nil {
				return err
			}
			if old != s.value {
				k.undo = append(k.undo, func() error {
					return sys.InNS(k.at.NS, func() error { _, err := setSysctl(s.path, old); return err })
				})
			}
		}
		return nil
	})
}

// forwards returns an error if the namespace no longer forwards.
func (k *kernel) forwards() error {
	if err := k.stand.InForce(); err != nil {
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

// setSysctl sets a value below /proc/sys/net in the calling thread's namespace and returns the one from before.
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

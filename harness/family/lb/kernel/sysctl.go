// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/kxlab/kxlab/harness/family/lb/place"
	"github.com/kxlab/kxlab/harness/sys"
)

// setSysctls sets values below a directory of /proc/sys/net in the balancer's namespace. On close the old values return.
func (k *kernel) setSysctls(dir string, list []place.Sysctl) error {
	undo, err := place.SetSysctls(k.at.NS, dir, list)
	k.undo = append(k.undo, undo)
	return err
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

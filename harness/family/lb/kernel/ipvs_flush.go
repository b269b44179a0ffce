// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/sys"
)

const (
	// ipvsFlushLimit is the time limit for connections to end.
	ipvsFlushLimit = 20 * time.Second
	ipvsFlushPoll  = time.Millisecond
	// ipvsListed is the part of the list of connections that is read at a time, bytes.
	ipvsListed = 16 << 10
)

// Flush forgets all connections. IPVS has no command for it; but since 5.9, with expire_nodest_conn on, a work queue ends
// the connections of removed backends. So Flush removes the backends of services with connections and adds them again
// when the list of connections is empty. Added earlier, a backend would be restored from IPVS's trash with its
// connections.
func (b *ipvs) Flush(ctx context.Context) (err error) {
	if b.dirty {
		return errors.New("flush connections of IPVS: a change failed before, Sync first")
	}
	removed := map[service.Key]bool{}
	defer func() {
		var back []ipvsRequest
		for key := range removed {
			back = b.backends(back, ipvsNewDest, key, b.services[b.index[key]].Backends...)
		}
		err = errors.Join(err, b.commit(context.WithoutCancel(ctx), "put back backends of", back))
	}()
	for deadline := time.Now().Add(ipvsFlushLimit); ; time.Sleep(ipvsFlushPoll) {
		connected, err := b.connected()
		if err != nil || len(connected) == 0 {
			return err
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("flush connections of IPVS: %w", err)
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("flush connections of IPVS: some have not ended after %v (kernels before 5.9 do not end them)", ipvsFlushLimit)
		}
		var out []ipvsRequest
		for _, key := range connected {
			i, ours := b.index[key]
			if !ours || removed[key] {
				continue // its backends are removed already
			}
			removed[key] = true
			out = b.backends(out, ipvsDelDest, key, b.services[i].Backends...)
		}
		if err := b.commit(ctx, "remove backends of", out); err != nil {
			return err
		}
	}
}

// connected returns the services of the first connections in the list, none if there are no connections.
func (b *ipvs) connected() (keys []service.Key, err error) {
	err = sys.InNS(b.at.NS, func() error {
		f, err := os.Open("/proc/thread-self/net/ip_vs_conn")
		if err != nil {
			return fmt.Errorf("list connections of IPVS: %w", err)
		}
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, ipvsListed))
		if err != nil {
			return fmt.Errorf("list connections of IPVS: %w", err)
		}
		keys, err = readIPVSConns(string(text))
		return err
	})
	return keys, err
}

// readIPVSConns returns the services in a list of connections. After one line of headings, each line has protocol,
// client and service in its first five columns, with numbers and IPv4 addresses in hexadecimal. The last line may be cut.
func readIPVSConns(text string) ([]service.Key, error) {
	_, text, _ = strings.Cut(text, "\n")
	var keys []service.Key
	seen := map[service.Key]bool{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if !strings.HasSuffix(line, "\n") || len(f) < 5 {
			continue
		}
		key := service.Key{Proto: harness.TCP}
		if f[0] == "UDP" {
			key.Proto = harness.UDP
		}
		addr, err := parseConnAddr(f[3])
		if err != nil {
			return nil, fmt.Errorf("read connections of IPVS: %w", err)
		}
		port, err := strconv.ParseUint(f[4], 16, 16)
		if err != nil {
			return nil, fmt.Errorf("read connections of IPVS: %w", err)
		}
		key.VIP = netip.AddrPortFrom(addr, uint16(port))
		if !seen[key] {
			seen[key], keys = true, append(keys, key)
		}
	}
	return keys, nil
}

func parseConnAddr(s string) (netip.Addr, error) {
	if strings.Contains(s, ":") {
		return netip.ParseAddr(s)
	}
	raw, err := hex.DecodeString(s)
	if err != nil || len(raw) != 4 {
		return netip.Addr{}, fmt.Errorf("%q is no address", s)
	}
	return netip.AddrFrom4([4]byte(raw)), nil
}

// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
	"github.com/kxlab/kxlab/harness/sys"
)

// serve answers every line or datagram in the namespace with the name.
func (p *segmentLab) serve(ns, name string) {
	p.t.Helper()
	for _, port := range []string{":80", ":8080"} {
		var l net.Listener
		var u net.PacketConn
		if err := sys.InNS(ns, func() (err error) {
			if l, err = net.Listen("tcp", port); err != nil {
				return err
			}
			u, err = net.ListenPacket("udp", port)
			return err
		}); err != nil {
			p.t.Fatal(err)
		}
		p.t.Cleanup(func() { l.Close(); u.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					for r := bufio.NewReader(c); ; {
						if _, err := r.ReadString('\n'); err != nil {
							return
						}
						fmt.Fprintln(c, name)
					}
				}()
			}
		}()
		go func() {
			buf := make([]byte, 64)
			for {
				_, from, err := u.ReadFrom(buf)
				if err != nil {
					return
				}
				_, _ = u.WriteTo([]byte(name+"\n"), from)
			}
		}()
	}
}

// dial connects from the client.
func (p *segmentLab) dial(proto harness.Proto, to netip.AddrPort) (net.Conn, error) {
	var c net.Conn
	err := sys.InNS(p.client, func() (err error) {
		c, err = net.DialTimeout(protoName(proto), to.String(), 2*time.Second)
		return err
	})
	return c, err
}

// ask sends a line and returns which real answered.
func ask(c net.Conn) (string, error) {
	if err := c.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintln(c, "who?"); err != nil {
		return "", err
	}
	buf := make([]byte, 64)
	n, err := c.Read(buf)
	if err != nil {
		return "", err
	}
	return string(buf[:max(n-1, 0)]), nil
}

// who opens n connections one after the other and counts who answered.
func (p *segmentLab) who(proto harness.Proto, to netip.AddrPort, n int) (map[string]int, error) {
	got := map[string]int{}
	for answered := 0; answered < n; {
		c, err := p.dial(proto, to)
		if err != nil {
			return got, err
		}
		name, err := ask(c)
		c.Close()
		if err != nil {
			return got, fmt.Errorf("after %d answers: %w\n%s", answered, err, p.counted())
		}
		got[name]++
		answered++
	}
	return got, nil
}

// counted returns what the lab's kernels counted of TCP and of conntrack that is not zero: where a connection went that failed.
func (p *segmentLab) counted() string {
	var out strings.Builder
	hosts := []struct{ name, ns string }{{"client", p.client}, {"balancer", p.at.NS}}
	for i, ns := range p.reals {
		hosts = append(hosts, struct{ name, ns string }{fmt.Sprint("real ", i), ns})
	}
	for _, h := range hosts {
		fmt.Fprintf(&out, "%s:", h.name)
		_ = sys.InNS(h.ns, func() error {
			for _, file := range []string{"snmp", "netstat", "stat/nf_conntrack"} {
				text, _ := os.ReadFile("/proc/thread-self/net/" + file)
				out.WriteString(nonzero(string(text)))
			}
			return nil
		})
		out.WriteByte('\n')
	}
	return out.String()
}

// nonzero picks those of TCP and of conntrack that are not zero out of a table of counters under their names, in the form of
// /proc/net/snmp or of /proc/net/stat.
func nonzero(table string) string {
	var out strings.Builder
	var names []string
	settings := []string{"RtoAlgorithm", "RtoMin", "RtoMax", "MaxConn"}
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 2 || strings.HasSuffix(f[0], ":") && !strings.HasPrefix(f[0], "Tcp") {
			continue
		}
		if _, err := strconv.ParseUint(f[1], 16, 64); err != nil {
			names = f
			continue
		}
		for i, v := range f {
			if v != names[i] && strings.Trim(v, "0") != "" && !slices.Contains(settings, names[i]) {
				fmt.Fprintf(&out, " %s=%s", names[i], v)
			}
		}
	}
	return out.String()
}

// real returns real i as a backend.
func realBackend(f ipFamily, i, weight int) service.Backend {
	a := netip.AddrFrom4([4]byte{198, 18, 1, byte(1 + i)})
	if f == ipv6 {
		b := netip.MustParseAddr("2001:2::").As16()
		b[14], b[15] = 1, byte(1+i)
		a = netip.AddrFrom16(b)
	}
	return service.Backend{Addr: netip.AddrPortFrom(a, 8080), Weight: weight}
}

// ruledService returns service i, on the reals given by their weights.
func ruledService(f ipFamily, proto harness.Proto, i int, weights ...int) service.Service {
	a := netip.AddrFrom4([4]byte{198, 19, byte(128 + i>>8), byte(i)})
	if f == ipv6 {
		b := netip.MustParseAddr("2001:2:0:2::").As16()
		b[14], b[15] = byte(i>>8), byte(i)
		a = netip.AddrFrom16(b)
	}
	s := service.Service{VIP: netip.AddrPortFrom(a, 80), Proto: proto}
	for r, w := range weights {
		if w >= 0 { // negative: not a backend at all
			s.Backends = append(s.Backends, realBackend(f, r, w))
		}
	}
	return s
}

func ruledServices(f ipFamily, n int, weights ...int) []service.Service {
	out := make([]service.Service, n)
	for i := range out {
		out[i] = ruledService(f, harness.TCP, i, weights...)
	}
	return out
}

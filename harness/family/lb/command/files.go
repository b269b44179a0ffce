// SPDX-License-Identifier: Apache-2.0

package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/family/lb/service"
)

// A jsonService is a service in the file $KXLAB_SERVICES, which holds a list of them.
type jsonService struct {
	Protocol string        `json:"protocol"` // tcp or udp
	Address  string        `json:"address"`
	Port     uint16        `json:"port"`
	Backends []jsonBackend `json:"backends"`
}

type jsonBackend struct {
	Address string `json:"address"`
	Port    uint16 `json:"port"`
	MAC     string `json:"mac"`
	Weight  int    `json:"weight"` // 0: no new connections
}

func protocol(p harness.Proto) string {
	if p == harness.UDP {
		return "udp"
	}
	return "tcp"
}

// servicesJSON is the content of $KXLAB_SERVICES.
func servicesJSON(services []service.Service) ([]byte, error) {
	out := make([]jsonService, 0, len(services))
	for i := range services {
		s := &services[i]
		js := jsonService{Protocol: protocol(s.Proto), Address: s.VIP.Addr().String(), Port: s.VIP.Port(), Backends: []jsonBackend{}}
		for _, b := range s.Backends {
			js.Backends = append(js.Backends, jsonBackend{b.Addr.Addr().String(), b.Addr.Port(), b.MAC.String(), b.Weight})
		}
		out = append(out, js)
	}
	raw, err := json.MarshalIndent(out, "", "\t")
	return append(raw, '\n'), err
}

// backendsText is the content of $KXLAB_BACKENDS: a line for each backend, with protocol, service, backend and weight. A service without backends
// has one line, with - and 0.
func backendsText(services []service.Service) []byte {
	var b bytes.Buffer
	for i := range services {
		s := &services[i]
		if len(s.Backends) == 0 {
			fmt.Fprintf(&b, "%s %s - 0\n", protocol(s.Proto), s.VIP)
		}
		for _, d := range s.Backends {
			fmt.Fprintf(&b, "%s %s %s %d\n", protocol(s.Proto), s.VIP, d.Addr, d.Weight)
		}
	}
	return b.Bytes()
}

// environment describes the place to programs.
func environment(v harness.Variant, at harness.Site) []string {
	return []string{
		"KXLAB_CLASS=" + v.Class, "KXLAB_LINK=" + at.Link, "KXLAB_IFINDEX=" + strconv.Itoa(at.Ifindex), "KXLAB_MAC=" + at.MAC.String(),
		"KXLAB_ADDR4=" + at.Addr4.String(), "KXLAB_ADDR6=" + at.Addr6.String(), "KXLAB_MTU=" + strconv.Itoa(at.MTU),
		"KXLAB_CLIENT_MTU=" + strconv.Itoa(at.ClientMTU), "KXLAB_SEED=" + strconv.FormatUint(at.Seed, 10),
	}
}

// SPDX-License-Identifier: Apache-2.0

// Package packet builds packets from a description: layers by name, each with fields. Lengths, checksums and the types of what
// follows are filled in. It knows no program and reads no file.
package packet

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"github.com/kxlab/kxlab/harness"
)

// A Layer is one layer of a description, such as ipv4 with its fields. Values are as written: numbers and lists are text, too.
type Layer struct {
	Name   string
	Fields map[string]string
}

// builders make a layer from its fields. above is the name of the next layer.
var builders = map[string]func(f *fields, above string) gopacket.SerializableLayer{
	"ethernet": ethernet, "vlan": vlan, "arp": arp, "ipv4": ipv4, "ipv6": ipv6, "tcp": tcp, "udp": udp, "icmp": icmp, "icmpv6": icmp6, "payload": payload,
}

// Names lists the layers.
func Names() []string {
	var out []string
	for name := range builders {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// Build returns the bytes of a packet.
func Build(description []Layer) ([]byte, error) {
	var stack []gopacket.SerializableLayer
	var network gopacket.NetworkLayer
	for i, l := range description {
		if err := harness.Known("layer", l.Name, Names()); err != nil {
			return nil, err
		}
		above := ""
		if i+1 < len(description) {
			above = description[i+1].Name
		}
		f := &fields{left: l.Fields, layer: l.Name}
		made := builders[l.Name](f, above)
		if err := f.end(); err != nil {
			return nil, fmt.Errorf("layer %s: %w", l.Name, err)
		}
		if n, ok := made.(gopacket.NetworkLayer); ok {
			network = n
		}
		if c, ok := made.(interface {
			SetNetworkLayerForChecksum(gopacket.NetworkLayer) error
		}); ok {
			if network == nil {
				return nil, fmt.Errorf("layer %s: no ipv4 or ipv6 stands before it", l.Name)
			}
			if err := c.SetNetworkLayerForChecksum(network); err != nil {
				return nil, fmt.Errorf("layer %s: %w", l.Name, err)
			}
		}
		stack = append(stack, made)
	}
	buf := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, stack...); err != nil {
		return nil, fmt.Errorf("build packet: %w", err)
	}
	return buf.Bytes(), nil
}

var etherTypes = map[string]layers.EthernetType{
	"vlan": layers.EthernetTypeDot1Q, "arp": layers.EthernetTypeARP, "ipv4": layers.EthernetTypeIPv4, "ipv6": layers.EthernetTypeIPv6,
}

var protocols = map[string]layers.IPProtocol{
	"tcp": layers.IPProtocolTCP, "udp": layers.IPProtocolUDP, "icmp": layers.IPProtocolICMPv4, "icmpv6": layers.IPProtocolICMPv6,
	"ipv4": layers.IPProtocolIPv4, "ipv6": layers.IPProtocolIPv6,
}

func ethernet(f *fields, above string) gopacket.SerializableLayer {
	return &layers.Ethernet{
		SrcMAC: f.mac("src", "02:00:00:00:00:01"), DstMAC: f.mac("dst", "02:00:00:00:00:02"),
		EthernetType: layers.EthernetType(f.number("type", uint64(etherTypes[above]), 16)),
	}
}

func vlan(f *fields, above string) gopacket.SerializableLayer {
	return &layers.Dot1Q{
		VLANIdentifier: uint16(f.number("id", 1, 12)), Priority: uint8(f.number("priority", 0, 3)),
		Type: layers.EthernetType(f.number("type", uint64(etherTypes[above]), 16)),
	}
}

func arp(f *fields, _ string) gopacket.SerializableLayer {
	return &layers.ARP{
		AddrType: layers.LinkTypeEthernet, Protocol: layers.EthernetTypeIPv4, HwAddressSize: 6, ProtAddressSize: 4,
		Operation:       uint16(f.number("operation", 1, 16)),
		SourceHwAddress: f.mac("src_mac", "02:00:00:00:00:01"), SourceProtAddress: f.ip("src", "10.0.0.1", false),
		DstHwAddress: f.mac("dst_mac", "00:00:00:00:00:00"), DstProtAddress: f.ip("dst", "10.0.0.2", false),
	}
}

func ipv4(f *fields, above string) gopacket.SerializableLayer {
	return &layers.IPv4{
		Version: 4, SrcIP: f.ip("src", "10.0.0.1", false), DstIP: f.ip("dst", "10.0.0.2", false), TTL: uint8(f.number("ttl", 64, 8)),
		TOS: uint8(f.number("tos", 0, 8)), Id: uint16(f.number("id", 0, 16)), FragOffset: uint16(f.number("fragment_offset", 0, 13)),
		Flags:    layers.IPv4Flag(f.flags("flags", map[string]int{"mf": 0, "df": 1})),
		Protocol: layers.IPProtocol(f.number("protocol", uint64(protocols[above]), 8)),
	}
}

func ipv6(f *fields, above string) gopacket.SerializableLayer {
	return &layers.IPv6{
		Version: 6, SrcIP: f.ip("src", "fd00::1", true), DstIP: f.ip("dst", "fd00::2", true), HopLimit: uint8(f.number("hop_limit", 64, 8)),
		TrafficClass: uint8(f.number("class", 0, 8)), FlowLabel: uint32(f.number("label", 0, 20)),
		NextHeader: layers.IPProtocol(f.number("next_header", uint64(protocols[above]), 8)),
	}
}

var tcpFlags = map[string]int{"fin": 0, "syn": 1, "rst": 2, "psh": 3, "ack": 4, "urg": 5, "ece": 6, "cwr": 7}

func tcp(f *fields, _ string) gopacket.SerializableLayer {
	bits := f.flags("flags", tcpFlags)
	has := func(name string) bool { return bits>>tcpFlags[name]&1 != 0 }
	return &layers.TCP{
		SrcPort: layers.TCPPort(f.number("src", 40000, 16)), DstPort: layers.TCPPort(f.number("dst", 80, 16)),
		Seq: uint32(f.number("seq", 1, 32)), Ack: uint32(f.number("ack", 0, 32)), Window: uint16(f.number("window", 65535, 16)),
		FIN: has("fin"), SYN: has("syn"), RST: has("rst"), PSH: has("psh"), ACK: has("ack"), URG: has("urg"), ECE: has("ece"), CWR: has("cwr"),
	}
}

func udp(f *fields, _ string) gopacket.SerializableLayer {
	return &layers.UDP{SrcPort: layers.UDPPort(f.number("src", 40000, 16)), DstPort: layers.UDPPort(f.number("dst", 53, 16))}
}

func icmp(f *fields, _ string) gopacket.SerializableLayer {
	return &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(uint8(f.number("type", 8, 8)), uint8(f.number("code", 0, 8))),
		Id: uint16(f.number("id", 1, 16)), Seq: uint16(f.number("seq", 1, 16))}
}

// icmp6 is the header of four bytes; the body of a message is payload.
func icmp6(f *fields, _ string) gopacket.SerializableLayer {
	return &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(uint8(f.number("type", 128, 8)), uint8(f.number("code", 0, 8)))}
}

func payload(f *fields, _ string) gopacket.SerializableLayer {
	p := append([]byte(f.text("text")), f.hex("hex")...)
	return gopacket.Payload(append(p, make([]byte, f.number("zeros", 0, 12))...))
}

// Parse reads layers in a short form for programs: "ethernet|ipv4 ttl=3|udp dst=53". It panics on a mistake.
func Parse(text string) []byte {
	var all []Layer
	for _, part := range strings.Split(text, "|") {
		words := strings.Fields(part)
		l := Layer{Name: words[0], Fields: map[string]string{}}
		for _, w := range words[1:] {
			name, value, _ := strings.Cut(w, "=")
			l.Fields[name] = value
		}
		all = append(all, l)
	}
	raw, err := Build(all)
	if err != nil {
		panic(fmt.Sprintf("build %q: %v", text, err))
	}
	return raw
}

func parseMAC(text string) (net.HardwareAddr, error) {
	mac, err := net.ParseMAC(text)
	if err == nil && len(mac) != 6 {
		err = fmt.Errorf("%q has %d bytes, not 6", text, len(mac))
	}
	return mac, err
}

func parseIP(text string, six bool) (net.IP, error) {
	a, err := netip.ParseAddr(text)
	if err == nil && a.Is6() != six {
		err = fmt.Errorf("%q is an address of the other family", text)
	}
	if err != nil {
		return nil, err
	}
	return a.AsSlice(), nil
}

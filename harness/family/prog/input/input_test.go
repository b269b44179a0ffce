// SPDX-License-Identifier: Apache-2.0

package input

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/kxlab/kxlab/harness/family/prog"
	"github.com/kxlab/kxlab/harness/family/prog/packet"
)

// pcap is a capture of packets; cut is how many bytes of each were not captured.
func pcap(t testing.TB, cut int, packets ...[]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriter(&b)
	if err := w.WriteFileHeader(65536, layers.LinkTypeEthernet); err != nil {
		t.Fatal(err)
	}
	for _, p := range packets {
		if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(1, 0), CaptureLength: len(p) - cut, Length: len(p)}, p[:len(p)-cut]); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func write(t *testing.T, name string, raw []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

const described = `
- name: syn
  packet:
    - ethernet: {dst: 02:00:00:00:00:09}
    - vlan: {id: 5}
    - ipv4: {src: 10.0.0.1, dst: 10.0.0.2, ttl: 3}
    - tcp: {dst: 443, flags: [syn, ece]}
    - payload: {text: hi}
- packet: 0x000102030405060708090a0b0800
- name: args
  context: [1, -1]
- context: "05 06"
`

// TestRead: captures of both kinds, bytes and descriptions.
func TestRead(t *testing.T) {
	one, two := packet.Parse("ethernet|ipv4|udp|payload text=abc"), packet.Parse("ethernet|arp")
	var ng bytes.Buffer
	w, err := pcapgo.NewNgWriter(&ng, layers.LinkTypeEthernet)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(1, 0), CaptureLength: len(one), Length: len(one)}, one); err != nil {
		t.Fatal(err)
	}
	w.Flush()
	got, err := Read([]string{write(t, "a-b c.pcap", pcap(t, 0, one, two)), write(t, "ng.pcapng", ng.Bytes()), write(t, "raw.bin", []byte{1, 2}), write(t, "d.yaml", []byte(described))})
	if err != nil {
		t.Fatal(err)
	}
	frame := got[4].Data
	want := []prog.Input{
		{Name: "a_b_c.1", Packet: true, Data: one}, {Name: "a_b_c.2", Packet: true, Data: two}, {Name: "ng.1", Packet: true, Data: one},
		{Name: "raw", Data: []byte{1, 2}},
		{Name: "syn", Packet: true, Data: frame},
		{Name: "d.2", Packet: true, Data: []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 8, 0}},
		{Name: "args", Context: true, Data: []byte{1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255}},
		{Name: "d.4", Context: true, Data: []byte{5, 6}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	p := gopacket.NewPacket(frame, layers.LayerTypeEthernet, gopacket.Default)
	ip, _ := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4)
	tcp, _ := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
	tag, _ := p.Layer(layers.LayerTypeDot1Q).(*layers.Dot1Q)
	if ip == nil || tcp == nil || tag == nil || tag.VLANIdentifier != 5 || ip.TTL != 3 || ip.Length != 42 || tcp.DstPort != 443 || !tcp.SYN || !tcp.ECE || tcp.ACK || string(tcp.Payload) != "hi" {
		t.Fatalf("%v", p)
	}
	if err := tcp.SetNetworkLayerForChecksum(ip); err != nil {
		t.Fatal(err)
	}
	if err, bad := p.VerifyChecksums(); err != nil || len(bad) > 0 {
		t.Errorf("checksums: %v, %v", err, bad)
	}
}

// TestReadRefuses: each mistake is named with file and place.
func TestReadRefuses(t *testing.T) {
	one := packet.Parse("ethernet|ipv4|udp|payload zeros=22")
	good := pcap(t, 0, one, one)
	other := append([]byte{}, good...)
	other[20] = byte(layers.LinkTypeRaw)
	yaml := func(text string) []byte { return []byte(text) }
	for _, c := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"cut.pcap", good[:len(good)-3], "packet 2: the capture is damaged or cut off"},
		{"head.pcap", good[:10], "not a capture"},
		{"none.pcap", good[:24], "the capture has no packet"},
		{"snap.pcap", pcap(t, 4, one), "packet 1: 60 of 64 bytes were captured: capture whole packets (tcpdump -s 0)"},
		{"raw.pcap", other, "programs get Ethernet frames"},
		{"text.pcap", []byte("hello"), "not a capture"},
		{"many.pcap", pcap(t, 0, make([][]byte, 0)...), "no packet"},
		{"x.txt", []byte("hello"), "neither a capture"},
		{"x.yaml", yaml("packet: 1"), "want a list of inputs"},
		{"x.yaml", yaml("- {packet: [ip4: {}]}"), `line 1, column 13: unknown layer "ip4", did you mean "ipv4"?`},
		{"x.yaml", yaml("- {packet: [ethernet: {}, ipv4: {tttl: 1}]}"), `layer ipv4: unknown field "tttl", did you mean "ttl"?`},
		{"x.yaml", yaml("- {packet: [ethernet: {}, ipv4: {ttl: 256}]}"), `layer ipv4: field ttl: "256" is not a number from 0 to 255`},
		{"x.yaml", yaml("- {packet: [ethernet: {}, tcp: {}]}"), "layer tcp: no ipv4 or ipv6 stands before it"},
		{"x.yaml", yaml("- {packet: [ethernet: {}, ipv4: {dst: fd00::1}]}"), "of the other family"},
		{"x.yaml", yaml("- {packet: [ethernet: {dst: 1}]}"), "field dst"},
		{"x.yaml", yaml("- {packet: [ethernet: {}, payload: {zeros: 99999999999999}]}"), `field zeros: "99999999999999" is not a number from 0 to 4095`}, // and no such buffer
		{"x.yaml", yaml("- {packet: [ethernet: {}, ipv4: {}, tcp: {flags: [sin]}]}"), `unknown flag "sin", did you mean`},
		{"x.yaml", yaml("- {packet: 0x1111111111111111111111111111}\n---\n- {}"), "line 2, column 1: a second YAML document begins"},
		{"x.yaml", yaml("- {packet: 0x1}"), "not bytes in hex"},
		{"x.yaml", yaml("- {pakket: 0x1}"), `unknown key "pakket", did you mean "packet"?`},
		{"x.yaml", yaml("- {packet: 0x11, context: 0x11}"), "want one of packet and context"},
		{"x.yaml", yaml("- {context: [x]}"), "not a number of 64 bits"},
	} {
		path := write(t, c.name, c.raw)
		if _, err := Read([]string{path}); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.name) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	many := make([][]byte, maxInputs+1)
	for i := range many {
		many[i] = one
	}
	if _, err := Read([]string{write(t, "many.pcap", pcap(t, 0, many...))}); err == nil || !strings.Contains(err.Error(), "more than 256 inputs") {
		t.Errorf("%v", err)
	}
}

// FuzzParse: no file makes it panic.
func FuzzParse(f *testing.F) {
	f.Add("x.yaml", []byte(described))
	f.Add("x.pcap", pcap(f, 0, packet.Parse("ethernet|arp")))
	f.Fuzz(func(t *testing.T, name string, raw []byte) { parse(name, raw) })
}

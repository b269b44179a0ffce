// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/bpf/abi"
	loads "github.com/kxlab/kxlab/harness/load"
)

// servedBy is a connection that versions served: so many, the last of them g.
func servedBy(g, hops uint32, began uint64) connection {
	return connection{flow: flow{Generation: g, Hops: hops, Began: began}, took: began / 10, came: true}
}

func TestConnections(t *testing.T) {
	sound := []connection{servedBy(1, 1, 100), servedBy(1, 1, 200), servedBy(1, 1, 300)}
	for _, tt := range []struct {
		name string
		odd  connection
		want string // in the fault; empty: none
	}{
		{"sound", servedBy(1, 1, 400), ""},
		{"lost", connection{}, "1 of 4 connections lost"},
		{"lost after it was served", connection{flow: flow{Generation: 1, Hops: 1}}, "1 of 4 connections lost"},
		{"no version", connection{came: true, unset: true}, "1 of 4 connections seen by no version"},
		{"two versions", servedBy(1, 2, 400), "1 of 4 connections seen more than once"},
		{"another version", servedBy(2, 1, 400), "1 of 4 connections of another version than 1"},
		{"no version of ours", servedBy(abi.SwapGenerations, 1, 400), "1 of 4 connections of no generation"},
	} {
		got := tallyOf(append(sound[:3:3], tt.odd))
		if why := got.fault(1); tt.want == "" && why != "" || !strings.Contains(why, tt.want) {
			t.Errorf("%s: fault %q, want %q", tt.name, why, tt.want)
		}
	}
	got := tallyOf(append(sound, servedBy(2, 1, 700), servedBy(1, 1, 800), servedBy(2, 1, 900)))
	want := abi.SwapSeen{Packets: 2, First: 700, Last: 300, Worst: 90}
	if diff := cmp.Diff(want, got.seen[2]); diff != "" || got.count.Back != 1 || got.seen[1].Packets != 4 {
		t.Errorf("%d of an older version; version 2 (-want +got):\n%s", got.count.Back, diff)
	}
}

// TestConnectionsWithout: a careless replacement of a congestion control leaves connections of both kinds without one, those whose socket
// option fails and those whose route names what is not there.
func TestConnectionsWithout(t *testing.T) {
	r := replace(t, prepare(t, "1", of("cc-register")), "cc-register", 4)
	failed, neither := metric(r, "option-failed-share"), metric(r, "neither-share")
	if !(failed > 0) || !(neither > 1.2*failed) {
		t.Errorf("the option of %v of the connections failed, and %v had no version", failed, neither)
	}
}

// TestTwoVersions: a connection that chooses anew after a replacement was served by two versions.
func TestTwoVersions(t *testing.T) {
	s := prepare(t, "1", of("cc-link")).(*stage)
	m := s.members["cc-link"]
	w := m.way.(*opsWay)
	c, err := s.openConnections(m, w)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	err = onThread(m.host, func() error {
		o, err := c.open(0)
		if err != nil {
			return err
		}
		defer o.close()
		for want := uint32(1); want <= 2; want++ {
			if err := o.end(w); err != nil {
				return err
			}
			if !o.came || o.Hops != want || o.Generation != want || o.Began == 0 {
				t.Errorf("connection after %d versions: %+v", want, o.connection)
			}
			if err := w.Load(t.Context(), want+1); err != nil {
				return err
			}
			if err := w.Replace(t.Context()); err != nil {
				return err
			}
			if !o.exchange(1) || o.end(w) != nil || o.Hops != want {
				t.Errorf("connection that has version %d, after a replacement: %+v", want, o.connection)
			}
			if err := w.choose(o.wire.fd); err != nil {
				return err
			}
			if !o.exchange(2) {
				t.Error("a message was lost")
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestRequestLog: three versions, from 100 to 200, from 300 to 400 and from 500 on; the second was replaced by a call at 450.
func TestRequestLog(t *testing.T) {
	reigns := []reign{{1, 100, 200}, {2, 300, 400}, {3, 500, 550}}
	changes := []change{{generation: 2, began: 150}, {generation: 3, began: 450}}
	for _, tt := range []struct {
		name         string
		began, ended uint64
		version      uint32 // 0: none
		worst        uint32 // the version whose replacement it met
	}{
		{"within a reign", 110, 190, 1, 0},
		{"before the first decision", 50, 90, 0, 1},
		{"into the time without a scheduler", 190, 210, 0, 2},
		{"in the time without a scheduler", 210, 290, 0, 2},
		{"out of it", 290, 310, 0, 2},
		{"across it", 190, 310, 0, 2},
		{"until the call", 310, 450, 2, 0},
		{"after the call", 310, 451, 0, 3},
		{"the last version", 510, 9000, 3, 0},
	} {
		log := requestLog{answered: []request{{tt.began, tt.ended}}}
		got := log.tally(reigns, changes)
		for g := uint32(1); g <= 3; g++ {
			seen := got.seen[g]
			if (seen.Packets == 1) != (g == tt.version) || (seen.Worst == tt.ended-tt.began) != (g == tt.worst) {
				t.Errorf("%s: version %d has %+v", tt.name, g, seen)
			}
		}
		if neither := got.count.Neither == 1; neither != (tt.version == 0) {
			t.Errorf("%s: without a scheduler: %v", tt.name, neither)
		}
	}
	var log requestLog
	log.add(loads.Report{Began: 100, Failed: 1, At: []float64{20e-9}, Took: []float64{30e-9}})
	got := log.tally(reigns, changes)
	if diff := cmp.Diff([]request{{120, 150}}, log.answered, cmp.AllowUnexported(request{})); diff != "" || got.lost() != 1 || got.served() != 1 {
		t.Errorf("%d lost, %d served; requests (-want +got):\n%s", got.lost(), got.served(), diff)
	}
	got.seen[2].Packets, got.seen[3].Packets = 1, 1
	r := got.result()
	for unit, want := range map[string]float64{"p50-gap-sec": 100e-9, "p50-force-sec": 150e-9} {
		if v := metric(r, unit); math.Abs(v-want) > 1e-12 {
			t.Errorf("%s is %v, want %v", unit, v, want)
		}
	}
}

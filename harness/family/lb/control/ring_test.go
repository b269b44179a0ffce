// SPDX-License-Identifier: Apache-2.0

package control

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kxlab/kxlab/bpf/abi"
	"github.com/kxlab/kxlab/harness/bpfobj"
)

// member returns the i-th test member.
func member(i, weight int) Member {
	addr := netip.AddrFrom4([4]byte{198, 18, byte(1 + i/250), byte(1 + i%250)})
	return Member{ID: NewID(netip.AddrPortFrom(addr, 80), [6]byte{2, 0x4b, 0x58, 2, byte(i >> 8), byte(i)}), Real: uint16(i), Weight: weight}
}

func equalMembers(n int) []Member {
	var m []Member
	for i := range n {
		m = append(m, member(i, 1))
	}
	return m
}

// counts says how many slots each real has.
func counts(t *testing.T, r Ring, n int) []int {
	t.Helper()
	c := make([]int, n)
	for slot, v := range r {
		if int(v&abi.LBSlotReal) >= n {
			t.Fatalf("slot %d holds real %d of %d", slot, v&abi.LBSlotReal, n)
		}
		c[v&abi.LBSlotReal]++
	}
	return c
}

func must(t testing.TB) func(Ring, error) Ring {
	return func(r Ring, err error) Ring {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
}

func TestMaglevEqualWeights(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 10, 100, 1021} {
		ring := must(t)(Maglev(1021, equalMembers(n)))
		c := counts(t, ring, n)
		low, high := c[0], c[0]
		for _, v := range c {
			low, high = min(low, v), max(high, v)
		}
		if len(ring) != 1021 || high-low > 1 {
			t.Errorf("%d members: %d slots, from %d to %d each; want 1021, at most one apart", n, len(ring), low, high)
		}
	}
}

func TestMaglevWeights(t *testing.T) {
	weights := []int{2, 13, 111, 10}
	var members []Member
	for i, w := range weights {
		members = append(members, member(i, w))
	}
	got := counts(t, must(t)(Maglev(1021, members)), len(weights))
	if diff := cmp.Diff([]int{16, 98, 832, 75}, got); diff != "" {
		t.Errorf("slots of weights %v (-want +got):\n%s", weights, diff)
	}
}

func TestMaglevRefuses(t *testing.T) {
	if r, err := Maglev(1021, []Member{member(0, 0)}); r != nil || err != nil {
		t.Errorf("only a drained member: %v, %v; want no ring, no error", r, err)
	}
	if _, err := Maglev(251, equalMembers(252)); err == nil {
		t.Error("252 members in 251 slots: no error")
	}
	if _, err := Maglev(1000, equalMembers(2)); err == nil {
		t.Error("1000 slots, not a prime: no error")
	}
}

// kinds of rings, for the properties that all of them have.
func kinds() map[string]func(int, []Member) (Ring, error) {
	return map[string]func(int, []Member) (Ring, error){
		"maglev":     Maglev,
		"rendezvous": func(size int, m []Member) (Ring, error) { return NewRendezvous().Ring(size, m, nil, nil) },
	}
}

func TestRingOrderDoesNotMatter(t *testing.T) {
	for name, fill := range kinds() {
		for _, weight := range []func(int) int{func(int) int { return 1 }, func(i int) int { return 1 + i%5 }} {
			var members []Member
			for i := range 50 {
				members = append(members, member(i, weight(i)))
			}
			want := must(t)(fill(8191, members))
			rnd := rand.New(rand.NewPCG(1, 2))
			for range 5 {
				rnd.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
				if diff := cmp.Diff(want, must(t)(fill(8191, members))); diff != "" {
					t.Fatalf("%s: order matters", name)
				}
			}
		}
	}
}

// TestRingIsPinned holds the rings to what they are today: connections must survive a restart with a newer version.
func TestRingIsPinned(t *testing.T) {
	want := map[string]uint64{"maglev": 0x27322e68c42dfff, "rendezvous": 0x291fe58f804ece97}
	for name, fill := range kinds() {
		var h uint64
		for _, v := range must(t)(fill(1021, []Member{member(0, 1), member(1, 2), member(2, 3), member(3, 1)})) {
			h = mix(h ^ uint64(v))
		}
		if h != want[name] {
			t.Errorf("%s: ring hashes to %#x, want %#x", name, h, want[name])
		}
	}
}

// TestRingRemovalMovesLittle: what moves beside the slots of the member that went: under 1 % for the sizes that are chosen,
// and for production's. Maglev's falls with the slots a member has (NSDI 2016, figure 12).
func TestRingRemovalMovesLittle(t *testing.T) {
	type row struct {
		kind    string
		n, size int
		most    float64
	}
	rows := []row{{"maglev", 50, 65537, 0.01}, {"maglev", 10, 1021, 0.04}, {"rendezvous", 50, 65537, 0}, {"rendezvous", 10, 1021, 0}}
	for _, n := range []int{2, 3, 4, 5, 8, 9, 10, 11, 20, 40, 80} {
		size, err := RingSize(n)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row{"maglev", n, size, 0.01})
	}
	for _, test := range rows {
		fill, all := kinds()[test.kind], equalMembers(test.n)
		before := must(t)(fill(test.size, all))
		worst, sum := 0.0, 0.0
		for gone := range test.n {
			after := must(t)(fill(test.size, append(append([]Member(nil), all[:gone]...), all[gone+1:]...)))
			moved, kept := 0, 0
			for i := range before {
				if before[i] == uint16(gone) {
					continue
				}
				kept++
				if after[i] != before[i] {
					moved++
				}
			}
			share := float64(moved) / float64(kept)
			worst, sum = max(worst, share), sum+share
		}
		mean := sum / float64(test.n)
		t.Logf("%s, %d slots: removing 1 of %d moves %.2f %% of the others' slots, at worst %.2f %%", test.kind, test.size, test.n, 100*mean, 100*worst)
		if mean > test.most {
			t.Errorf("%s, %d slots, %d members: want at most %.0f %%", test.kind, test.size, test.n, 100*test.most)
		}
	}
}

func TestRendezvousWeights(t *testing.T) {
	const size = 65537
	members := []Member{member(0, 1), member(1, 2), member(2, 4), member(3, 9)}
	got := counts(t, must(t)(NewRendezvous().Ring(size, members, nil, nil)), len(members))
	for i, m := range members {
		want := size * m.Weight / 16
		if d := got[i] - want; d*d > 16*want { // four standard deviations
			t.Errorf("weight %d of 16: %d slots, want about %d", m.Weight, got[i], want)
		}
	}
}

// TestRendezvousTracksJustEnough checks the promise of just-enough tracking: when a spare is added, exactly the slots
// that were tracked change, and all of them can be looked up afterwards.
func TestRendezvousTracksJustEnough(t *testing.T) {
	r := NewRendezvous()
	for _, w := range []int{1, 3} {
		members, spare := append(equalMembers(10), member(10, w)), member(11, w)
		before := must(t)(r.Ring(4093, members, []Member{spare}, nil))
		after := must(t)(r.Ring(4093, append(members, spare), nil, []bool(looks(before))))
		tracked := 0
		for i := range before {
			moved := before[i]&abi.LBSlotReal != after[i]&abi.LBSlotReal
			if track := before[i]&abi.LBSlotTrack != 0; track != moved {
				t.Fatalf("weight %d, slot %d: tracked %v, moved %v", w, i, track, moved)
			}
			if moved != (after[i]&abi.LBSlotLook != 0) || after[i]&abi.LBSlotTrack != 0 {
				t.Fatalf("weight %d, slot %d: flags %#x after the spare came, moved %v", w, i, after[i], moved)
			}
			if moved {
				tracked++
			}
		}
		if want := 4093 * w / (10 + 2*w); tracked < want*8/10 || tracked > want*12/10 {
			t.Errorf("weight %d: %d slots tracked, want about %d", w, tracked, want)
		}
	}
}

func looks(r Ring) []bool {
	l := make([]bool, len(r))
	for i, s := range r {
		l[i] = s&abi.LBSlotLook != 0
	}
	return l
}

func TestRendezvousCostFalls(t *testing.T) {
	r := NewRendezvous()
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 100000 {
		h := rnd.Uint64() >> rnd.UintN(64)
		if d := rnd.Uint64() >> rnd.UintN(64); h+d > h && r.cost(h+d) > r.cost(h) {
			t.Fatalf("cost(%#x) > cost(%#x)", h+d, h)
		}
	}
	if got := r.cost(1 << 63); got != 1<<logFrac {
		t.Errorf("cost of one half is %#x, want one bit", got)
	}
}

func TestRingSize(t *testing.T) {
	for n, want := range map[int]int{0: 8191, 1: 8191, 10: 8191, 11: 16381, 40: 32749, 81: 65537, 250: 262139, 600: 524287} {
		if got, err := RingSize(n); err != nil || got != want {
			t.Errorf("RingSize(%d) = %d, %v; want %d", n, got, err, want)
		}
	}
	for _, s := range ringSizes {
		if !bpfobj.IsPrime(s) {
			t.Errorf("%d is not a prime", s)
		}
	}
	if _, err := RingSize(30000); err == nil {
		t.Error("a ring for 30,000 backends: no error")
	}
}

func BenchmarkMaglev(b *testing.B) {
	for b.Loop() {
		must(b)(Maglev(1021, equalMembers(4)))
	}
}

func BenchmarkRendezvous(b *testing.B) {
	r := NewRendezvous()
	for name, weight := range map[string]int{"equal": 1, "weighted": 2} {
		b.Run(name, func(b *testing.B) {
			members, spares := equalMembers(4), []Member{member(4, weight)}
			for b.Loop() {
				must(b)(r.Ring(1021, members, spares, nil))
			}
		})
	}
}

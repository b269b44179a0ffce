// SPDX-License-Identifier: Apache-2.0

package flame

import (
	"fmt"
	"hash/fnv"
	"math"

	"github.com/kxlab/kxlab/harness/profile"
)

// The colours of legends. Black text is readable on each.
const (
	task   = "#d0d4d8"
	user   = "#f2cf63"
	kernel = "#f0956a"
	bpf    = "#a79cf2"
	waits  = "#7fc4e8"
	less   = "#6a9fe8"
	same   = "#ececec"
	more   = "#f07a6a"
)

// colourOf is the colour of a frame by its kind, a little lighter or darker by its name, so that neighbours differ.
func colourOf(n *node) string {
	base := map[profile.FrameKind]string{profile.User: user, profile.InKernel: kernel, profile.BPF: bpf, profile.Waiting: waits, profile.Task: task}[n.kind]
	h := fnv.New32a()
	h.Write([]byte(n.name))
	return mix(base, "#ffffff", float64(h.Sum32()%64)/64*0.4)
}

// colourOfChange is the colour of a frame by how much more or less of it B has, as a share of its width.
func colourOfChange(n *node) string {
	share := 0.
	if n.width > 0 {
		share = (n.values[1] - n.values[0]) / n.width
	}
	to := more
	if share < 0 {
		to = less
	}
	return mix(same, to, min(1, math.Abs(share)))
}

// mix is a colour on the way from one to another.
func mix(from, to string, share float64) string {
	var a, b [3]int
	fmt.Sscanf(from, "#%02x%02x%02x", &a[0], &a[1], &a[2])
	fmt.Sscanf(to, "#%02x%02x%02x", &b[0], &b[1], &b[2])
	var out [3]int
	for i := range out {
		out[i] = int(math.Round(float64(a[i]) + share*float64(b[i]-a[i])))
	}
	return fmt.Sprintf("#%02x%02x%02x", out[0], out[1], out[2])
}

// SPDX-License-Identifier: Apache-2.0

package law

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/kxlab/kxlab/harness"
)

// A Formula is one closed form.
type Formula struct {
	Params []string // all of them must be given
	Unit   string   // of the value
	Source string
	value  func(p map[string]float64) float64
}

// frameShare is the share of data in a full Ethernet frame: 1,448 bytes of 1,514, as queues of the kernel count it.
const frameShare = 1448.0 / 1514

// formulas is the table by name. Shares of packets (p) are from 0 to 1, times (rtt, rto) in seconds, rates in bit/s.
func formulas() map[string]Formula {
	return map[string]Formula{
		"aimd-window": {
			Params: []string{"alpha", "beta", "loss"}, Unit: "pkt",
			Source: "RFC 9438, section 4.3, figure 3 (AVG_AIMD), after Floyd, Handley, Padhye 2000",
			value:  func(p map[string]float64) float64 { return aimd(p["alpha"], p["beta"], p["loss"]) },
		},
		"cubic-window": {
			Params: []string{"c", "beta", "rtt", "loss"}, Unit: "pkt",
			Source: "RFC 9438, section 5.1, figures 5 and 6 (AVG_W_cubic); in the Reno-friendly region section 4.3",
			value:  cubicWindow,
		},
		"padhye-window": {
			Params: []string{"loss", "rtt", "rto"}, Unit: "pkt",
			Source: "Padhye, Firoiu, Towsley, Kurose: Modeling TCP Throughput, SIGCOMM 1998, equation 30, one packet an acknowledgement",
			value:  padhye,
		},
		"aimd-period": {
			Params: []string{"alpha", "beta", "peak", "rtt"}, Unit: "sec",
			Source: "RFC 5681: from beta of the peak back to the peak at alpha packets a round trip; Reno: half the peak in round trips",
			value:  func(p map[string]float64) float64 { return (1 - p["beta"]) * p["peak"] / p["alpha"] * p["rtt"] },
		},
		"cubic-k": {
			Params: []string{"c", "gap"}, Unit: "sec",
			Source: "RFC 9438, section 4.2, figure 2: K is the cubic root of (W_max - cwnd_epoch) / C",
			value:  func(p map[string]float64) float64 { return math.Cbrt(p["gap"] / p["c"]) },
		},
		"link": {
			Params: []string{"rate"}, Unit: "bit/s",
			Source: "1,448 bytes of data in each frame of 1,514 at the link's rate",
			value:  func(p map[string]float64) float64 { return p["rate"] * frameShare },
		},
		"constant": {
			Params: []string{"value"},
			value:  func(p map[string]float64) float64 { return p["value"] },
		},
	}
}

// aimd is the mean window of a control that adds alpha packets a round trip and keeps beta of its window at a loss, where every
// 1/loss-th packet is lost: sqrt(alpha (1+beta) / (2 (1-beta) loss)).
func aimd(alpha, beta, loss float64) float64 {
	return math.Sqrt(alpha * (1 + beta) / (2 * (1 - beta) * loss))
}

// cubicWindow is the mean window of CUBIC: of its cubic function, or of its estimate of Reno's if that is larger.
func cubicWindow(p map[string]float64) float64 {
	c, beta, rtt, loss := p["c"], p["beta"], p["rtt"], p["loss"]
	cubic := math.Pow(c*(3+beta)/(4*(1-beta)), 0.25) * math.Pow(rtt, 0.75) / math.Pow(loss, 0.75)
	friendly := aimd(3*(1-beta)/(1+beta), beta, loss)
	return max(cubic, friendly)
}

// padhye is Reno's mean number of packets in flight, with timeouts.
func padhye(p map[string]float64) float64 {
	loss, rtt, rto := p["loss"], p["rtt"], p["rto"]
	return 1 / (math.Sqrt(2*loss/3) + rto/rtt*min(1, 3*math.Sqrt(3*loss/8))*loss*(1+32*loss*loss))
}

// Find returns a formula by its name.
func Find(name string) (Formula, error) {
	f, ok := formulas()[name]
	if !ok {
		return Formula{}, harness.Known("formula", name, slices.Sorted(maps.Keys(formulas())))
	}
	return f, nil
}

// Value computes the formula. A missing parameter, or one for which it has no value, is an error.
func (f Formula) Value(params map[string]float64) (float64, error) {
	for _, name := range f.Params {
		if _, ok := params[name]; !ok {
			return 0, fmt.Errorf("parameter %s is not given", name)
		}
	}
	v := f.value(params)
	if math.IsNaN(v) || math.IsInf(v, 0) || v <= 0 {
		return 0, fmt.Errorf("no value for %v", params)
	}
	return v, nil
}

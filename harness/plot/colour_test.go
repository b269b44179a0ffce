// SPDX-License-Identifier: Apache-2.0

package plot

import (
	"fmt"
	"image/color"
	"math"
	"testing"

	"github.com/kxlab/kxlab/experiments"
	"github.com/kxlab/kxlab/harness"
	"github.com/kxlab/kxlab/harness/record"
)

// shipped are the variants of a shipped definition that are no ceilings.
func shipped(t *testing.T, name string) *record.Env {
	t.Helper()
	e, err := experiments.Open(name, experiments.Vocabulary{})
	if err != nil {
		t.Fatal(err)
	}
	return &record.Env{Variants: e.Variants}
}

// lab is a colour in CIELAB (ISO/CIE 11664-4), by way of sRGB (IEC 61966-2-1).
func lab(c color.RGBA) [3]float64 {
	lin := func(v uint8) float64 {
		if s := float64(v) / 255; s > 0.04045 {
			return math.Pow((s+0.055)/1.055, 2.4)
		}
		return float64(v) / 255 / 12.92
	}
	r, g, b := lin(c.R), lin(c.G), lin(c.B)
	f := func(t float64) float64 {
		if t > 0.008856 {
			return math.Cbrt(t)
		}
		return 7.787*t + 16.0/116
	}
	x, y, z := f((0.4124*r+0.3576*g+0.1805*b)/0.95047), f(0.2126*r+0.7152*g+0.0722*b), f((0.0193*r+0.1192*g+0.9505*b)/1.08883)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

// apart is the difference of two colours (CIE 1976). About 2.3 is just noticeable.
func apart(a, b color.RGBA) float64 {
	p, q := lab(a), lab(b)
	return math.Sqrt((p[0]-q[0])*(p[0]-q[0]) + (p[1]-q[1])*(p[1]-q[1]) + (p[2]-q[2])*(p[2]-q[2]))
}

func onDark(c color.RGBA) (d color.RGBA) {
	fmt.Sscanf(OnDark(fmt.Sprintf("%02x%02x%02x", c.R, c.G, c.B)), "%02x%02x%02x", &d.R, &d.G, &d.B)
	return d
}

// TestColours: of a shipped definition whose plots tell variants by colour, no two have colours that are hard to tell apart, on light pages or on
// dark ones. A port has the hue of its original.
func TestColours(t *testing.T) {
	const distinct = 8
	for _, name := range []string{"lb", "cc", "sched", "swap", "proxy", "prog"} {
		env := shipped(t, name)
		for i, v := range env.Variants {
			if v.Class == harness.ClassCeiling {
				continue
			}
			c := lineStyleOf(env, v.Name).color
			for _, o := range env.Variants[:i] {
				other := lineStyleOf(env, o.Name).color
				if light, dark := apart(c, other), apart(onDark(c), onDark(other)); o.Class != harness.ClassCeiling && min(light, dark) < distinct {
					t.Errorf("%s: %s looks like %s: %.1f on light pages, %.1f on dark ones", name, v.Name, o.Name, light, dark)
				}
			}
			if o, ok := env.Variant(v.Original); ok && hueOf(env, v) != hueOf(env, o) {
				t.Errorf("%s: %s has the hue %s, its original %s", name, v.Name, hueOf(env, v), hueOf(env, o))
			}
		}
	}
}

// TestOneColour: a variant has the same colour in every shipped definition, and one that is of no definition takes a hue that is free there.
func TestOneColour(t *testing.T) {
	seen, where := map[string]color.RGBA{}, map[string]string{}
	for _, name := range []string{"lb", "cc", "sched", "swap", "proxy", "objects"} {
		env := shipped(t, name)
		for _, v := range env.Variants {
			_, _, ok := knownPlace(v.Name)
			c := lineStyleOf(env, v.Name).color
			if !ok && name != "objects" && v.Class != harness.ClassCeiling {
				t.Errorf("%s: %s has no place in the table of colours", name, v.Name)
			}
			if other, twice := seen[v.Name]; ok && twice && c != other {
				t.Errorf("%s is %v in %s and %v in %s", v.Name, other, where[v.Name], c, name)
			}
			seen[v.Name], where[v.Name] = c, name
		}
	}
	env := shipped(t, "sched")
	env.Variants = append(env.Variants, harness.Variant{Name: "mine-a"}, harness.Variant{Name: "mine-b"}, harness.Variant{Name: "yours"})
	a, b, c := lineStyleOf(env, "mine-a").color, lineStyleOf(env, "mine-b").color, lineStyleOf(env, "yours").color
	if a != hues()[8] || b != shaded(a, 1) || c == a || c == b {
		t.Errorf("variants that are not known: %v, %v, %v", a, b, c)
	}
}

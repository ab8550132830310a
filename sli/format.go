package sli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Undefined is what people see in place of a figure that is null.
const Undefined = "–"

// FormatRatio writes a share of 1 as a percentage for people. It cuts and never rounds, so that nothing
// looks better than it is; two decimals, and as many more as it takes to show the first that is not a
// nine (99.9987 % is "99.998%"), or of a small share the first that is not a zero.
func FormatRatio(r *float64) string {
	switch {
	case r == nil:
		return Undefined
	case *r >= 1:
		return "100%"
	case *r <= 0:
		return "0%"
	}
	_, digits, _ := strings.Cut(strconv.FormatFloat(*r, 'f', -1, 64), ".")
	dull := digits[0]
	n := 4
	if dull == '9' || dull == '0' {
		n = max(n, len(digits)-len(strings.TrimLeft(digits, string(dull)))+1)
	}
	digits += "0000"
	digits = digits[:min(n, max(4, len(digits)-4))]
	whole := strings.TrimLeft(digits[:1], "0") + digits[1:2]
	return whole + "." + digits[2:] + "%"
}

// FormatSeconds writes a duration for people with three digits, which is as much as a quantised latency is
// worth: "850µs", "41.2ms", "1.23s", "75.0s"; "∞" among time-outs.
func FormatSeconds(v *Value) string {
	switch {
	case v == nil:
		return Undefined
	case math.IsInf(float64(*v), 1):
		return "∞"
	}
	x, unit := float64(*v), "s"
	switch {
	case x < 0.9995e-3:
		x, unit = x*1e6, "µs"
	case x < 0.9995:
		x, unit = x*1e3, "ms"
	}
	switch {
	case x >= 99.95:
		return fmt.Sprintf("%.0f%s", x, unit)
	case x >= 9.995:
		return fmt.Sprintf("%.1f%s", x, unit)
	}
	return fmt.Sprintf("%.2f%s", x, unit)
}

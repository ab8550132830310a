package web

import (
	"fmt"
	"time"

	"github.com/gaikei/gaikei/sli"
)

func formatRatio(x float64) string { return sli.FormatRatio(&x) }

func formatSeconds(v sli.Value) string { return sli.FormatSeconds(&v) }

// ago is a duration in words, for people: "3 min".
func ago(d time.Duration) string {
	switch d = max(d, 0); {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}

// shortDuration has about three significant digits: "1.23 s", "45.6 ms", "789 µs".
func shortDuration(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.3g s", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.3g ms", float64(d)/1e6)
	case d > 0:
		return fmt.Sprintf("%.3g µs", float64(d)/1e3)
	}
	return "0"
}

package review

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/gaikei/gaikei/sli"
)

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") + " UTC" }

func dayText(t time.Time) string { return t.UTC().Format("2006-01-02") }

// short is an instant in a table, whose heading says that it is UTC.
func short(t time.Time) string { return t.UTC().Format("2006-01-02 15:04") }

// left is how much of a budget is left; what is spent beyond it is negative.
func left(x *float64) string {
	if x == nil || *x >= 0 {
		return sli.FormatRatio(x)
	}
	return "−" + fmt.Sprintf("%.1f%%", math.Ceil(-1000**x-1e-6)/10)
}

// spent rounds up: nothing looks better than it is.
func spent(x float64) string {
	return fmt.Sprintf("%.1f%%", max(0, math.Ceil(1000*x-1e-6))/10)
}

// duration tells seconds by the two greatest units that matter.
func duration(seconds float64) string {
	s := int64(math.Round(seconds))
	if s == 0 && seconds > 0 {
		return "<1 s"
	}
	units := []struct {
		name string
		size int64
	}{{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}}
	var parts []string
	for _, u := range units {
		n := s / u.size
		if s %= u.size; n > 0 || len(parts) > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, u.name))
		}
		if len(parts) == 2 {
			break
		}
	}
	if len(parts) == 2 && strings.HasPrefix(parts[1], "0 ") {
		parts = parts[:1]
	}
	if len(parts) == 0 {
		return "0 s"
	}
	return strings.Join(parts, " ")
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

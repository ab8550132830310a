// Command scale computes what to deploy for how many checks and regions, from what single things cost. docs/scale.md shows
// what it prints.
package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"time"
)

func main() {
	w := bufio.NewWriter(os.Stdout)
	report(w, measured)
	if err := w.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

// report prints the costs, and a table for each interval.
func report(w io.Writer, c costs) {
	fmt.Fprint(w, "| cost | | measured by |\n|---|---|---|\n")
	for _, line := range c.lines() {
		fmt.Fprintf(w, "| %s | %s | %s |\n", line.what, line.value, line.source)
	}
	for _, interval := range []time.Duration{10 * time.Second, time.Minute} {
		fmt.Fprintf(w, "\n**Every check once in %.0f seconds**\n\n", interval.Seconds())
		fmt.Fprint(w, "| checks | regions | results/s | installations | each with |\n|---|---|---|---|---|\n")
		var plans []plan
		for _, checks := range []int{100, 10_000, 1_000_000} {
			for _, regions := range []int{3, 30, 300} {
				p := c.plan(workload{checks, regions, interval})
				plans = append(plans, p)
				fmt.Fprintf(w, "| %s | %d | %s | %d | %s |\n", number(float64(checks), ""), regions, number(p.rate, ""), p.installations, p.kind())
			}
		}
		fmt.Fprint(w, "\n| checks | regions | prober | to a prober's link | aggregator | disk for 400 days | journal, an hour |\n|---|---|---|---|---|---|---|\n")
		for _, p := range plans {
			fmt.Fprintf(w, "| %s | %d | %s, %s | %s | %s, %s | %s | %s |\n", number(float64(p.checks), ""), p.regions,
				cores(p.proberCores), number(p.proberMemory, "B"), number(8*p.linkBytes, "bit/s"),
				cores(p.storeCores), number(p.storeMemory, "B"), number(p.disk, "B"), number(p.journalHour, "B"))
		}
	}
}

// number writes a number with two digits that count, or three before the prefix of the unit.
func number(x float64, unit string) string {
	prefixes := []string{"", "k", "M", "G", "T", "P"}
	at := 0
	for x >= 999.5 && at < len(prefixes)-1 {
		x, at = x/1000, at+1
	}
	return strings.TrimSpace(short(x) + " " + prefixes[at] + unit)
}

func short(x float64) string {
	if x >= 9.95 || x == float64(int(x)) {
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.1f", x)
}

// cores writes a number of processors, rounded up to a tenth.
func cores(x float64) string {
	x = math.Ceil(10*x) / 10
	if x <= 1 {
		return short(x) + " core"
	}
	return short(x) + " cores"
}

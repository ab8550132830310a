package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/gaikei/gaikei/probe"
)

// showTrial prints what was seen.
func showTrial(w io.Writer, format string, e *probe.Evidence) error {
	if format == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(e)
	}
	verdict := e.Outcome
	if e.Reason != "" {
		verdict += " (" + e.Reason + ")"
	}
	fmt.Fprintf(w, "%s  %s  %s\n", e.Target, verdict, e.Latency.Round(10*time.Microsecond))
	if e.Suspected != "" {
		fmt.Fprintf(w, "  would have been: %s\n", e.Suspected)
	}
	if e.Announced {
		fmt.Fprintln(w, "  announced by the target: maintenance")
	}
	for _, warning := range e.Detail.Warnings {
		fmt.Fprintf(w, "  ! %s\n", printable(warning))
	}
	showWaterfall(w, e)
	showDetail(w, e)
	return nil
}

// waterfallWidth is how many characters stand for the whole latency.
const waterfallWidth = 48

func showWaterfall(w io.Writer, e *probe.Evidence) {
	if len(e.Spans) == 0 {
		return
	}
	var end time.Duration
	for _, s := range e.Spans {
		end = max(end, s.At+s.For)
	}
	fmt.Fprintln(w)
	for _, s := range e.Spans {
		from, to := column(s.At, end), column(s.At+s.For, end)
		bar := strings.Repeat(" ", from) + strings.Repeat("█", max(1, to-from))
		name := s.Phase
		if s.Hop > 0 {
			name = fmt.Sprintf("%s (hop %d)", s.Phase, s.Hop)
		}
		fmt.Fprintf(w, "  %-16s %10s  %s\n", name, s.For.Round(10*time.Microsecond), bar)
	}
}

func column(at, end time.Duration) int {
	if end <= 0 {
		return 0
	}
	return min(int(int64(at)*waterfallWidth/int64(end)), waterfallWidth-1)
}

func showDetail(w io.Writer, e *probe.Evidence) {
	d := e.Detail
	fmt.Fprintln(w)
	field(w, "dialled", e.Dialled)
	field(w, "proxy", d.Proxy)
	var addresses []string
	for _, a := range d.Addresses {
		addresses = append(addresses, a.String())
	}
	field(w, "addresses", strings.Join(addresses, ", "))
	if len(d.Hops) > 1 {
		for i, h := range d.Hops {
			// The status comes first: a long URL is cut off.
			field(w, "hop", cmp.Or(d.HopStatus(i), "no answer")+"  "+h)
		}
	}
	field(w, "trace", d.TraceID)
	field(w, "status", d.StatusLine)
	field(w, "error", d.Error)
	showTLS(w, d.TLS)
	for _, h := range d.Headers {
		field(w, "header", h)
	}
	lines(w, "message", d.Message)
	lines(w, "body", d.Body)
	if d.WireBytes > 0 {
		field(w, "size", fmt.Sprintf("%d bytes, %d as they came, compressed", d.BodyBytes, d.WireBytes))
	}
	for _, a := range d.Assertions {
		mark := "✓"
		if !a.Held {
			mark = "✗"
		}
		fmt.Fprintf(w, "  %s %-22s got %s, want %s\n", mark, printable(a.What), printable(a.Got), printable(a.Want))
	}
}

func showTLS(w io.Writer, t *probe.TLSDetail) {
	if t == nil {
		return
	}
	field(w, "tls", strings.TrimSpace(t.Version+" "+t.Cipher+" "+t.ServerName))
	for _, c := range t.Chain {
		days := int(time.Until(c.NotAfter).Hours() / 24)
		field(w, "certificate", fmt.Sprintf("%s, %s, issued by %s, until %s (%d days)", c.Subject, c.Key, c.Issuer, c.NotAfter.Format(time.DateOnly), days))
	}
}

// lines prints a text of several lines, at most as many as a screen has.
func lines(w io.Writer, name, value string) {
	all := strings.Split(strings.TrimSpace(value), "\n")
	for _, line := range all[:min(len(all), 20)] {
		field(w, name, line)
	}
}

// field prints one line of what was seen; text from the target cannot move the cursor.
func field(w io.Writer, name, value string) {
	if value != "" {
		fmt.Fprintf(w, "  %-16s %s\n", name, printable(value))
	}
}

// maxShown is how many characters of a text are shown.
const maxShown = 400

// printable replaces what a terminal would act on, the marks that turn the direction of text among it, and cuts off
// what is too long to read.
func printable(s string) string {
	clean := []rune(strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return '�'
		}
		return r
	}, s))
	if len(clean) > maxShown {
		return string(clean[:maxShown]) + "…"
	}
	return string(clean)
}

package config

import (
	"bytes"
	"fmt"
	"testing"
)

// BenchmarkParse reads 1,000 checks: what a reload costs.
func BenchmarkParse(b *testing.B) {
	var text bytes.Buffer
	text.WriteString("regions: {a: {}, b: {}, c: {}}\ncontrols: {preset: root-dns}\ndefaults: {interval: 10s, timeout: 2s}\nchecks:\n")
	for i := range 1000 {
		fmt.Fprintf(&text, "  - {name: c%d, http: {url: 'http://198.51.100.%d/%d', body: {contains: ok}}, latency: {under: 300ms}}\n", i, i%250, i)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("bench.yaml", text.Bytes(), Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkChanged compares a check with itself, as a reload does with each.
func BenchmarkChanged(b *testing.B) {
	c := mustParse(b, changeable).Check("x")
	b.ReportAllocs()
	for b.Loop() {
		if Changed(c, c) {
			b.Fatal("changed")
		}
	}
}

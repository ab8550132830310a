package config

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/probe"
)

// TestTextsSurvive: whatever a text holds, it is the same after it was written and read.
func TestTextsSurvive(t *testing.T) {
	nasty := rapid.StringOfN(rapid.RuneFrom([]rune("ab 01#:-?*&!|>'\"%@`{}[],~$\\\n\r\t\x00\x07\u0085\u2028\ufeffé😀")), 0, 30, -1)
	texts := rapid.OneOf(nasty, rapid.String(), rapid.SampledFrom([]string{
		"null", "~", "true", "no", "1.10", "0x1f", "2026-11-24", "<<", "=", "---", "...", "- a", "a: b", "# a", " a", "a ", "a\n", "\na", "a\n\n", "a\n b\n", "a\n# b\n", "a \nb\n", "${", "$${", "$$${{",
	}))
	rapid.Check(t, func(t *rapid.T) {
		text := texts.Draw(t, "text")
		c := &probe.Check{Name: "x", ID: "x", Interval: day, Timeout: time.Second, Labels: map[string]string{"l": text}, Kind: &probe.HTTP{
			URL: "http://192.0.2.1/", Method: "POST", Send: probe.Literal(text), Status: []probe.CodeRange{{From: 200, To: 200}},
			Body: probe.BodyMatch{Contains: []string{"x" + text}, MaxSize: 1000},
		}}
		got, err := ParseCheck("block", Block(c))
		if err != nil {
			t.Fatalf("%q: %v\n%s", text, err, Block(c))
		}
		h := got.Kind.(*probe.HTTP)
		if got.Labels["l"] != text || h.Send.String() != probe.Literal(text).String() || h.Body.Contains[0] != "x"+text {
			t.Fatalf("%q: got %q, %q and %q\n%s", text, got.Labels["l"], h.Send.String(), h.Body.Contains[0], Block(c))
		}
	})
}

// TestBlockOfOlderProbers: a check that uses none of the newer keys has none of them in its block, so that probers which do
// not know them still understand it; one that uses them has them, and is refused there and not half understood.
func TestBlockOfOlderProbers(t *testing.T) {
	const check = "name: x\ntcp: {address: 'a.example:1'}\n"
	newer := "assert: [\"address != ''\"]\nmax: {connect: 1s}\nsource: 192.0.2.7\nresolver: 192.0.2.53\n"
	for text, want := range map[string]bool{check: false, check + newer: true} {
		c, err := ParseCheck("x", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"assert:", "max:", "source:", "resolver:"} {
			if got := strings.Contains(string(Block(c)), "\n"+key); got != want {
				t.Errorf("%s is in the block: %v, want %v\n%s", key, got, want, Block(c))
			}
		}
	}
}

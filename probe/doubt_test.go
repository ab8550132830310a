package probe

import (
	"strings"
	"testing"
	"time"
)

// TestEvidenceSaysWhyNoVerdict: a success without a verdict has a word about why, and nothing else has.
func TestEvidenceSaysWhyNoVerdict(t *testing.T) {
	lost := &Attempt{Latency: 20 * time.Millisecond, Lost: 1}
	for _, tt := range []struct {
		name string
		a    *Attempt
		w    Witness
		want string
	}{
		{"a packet lost", lost, Blind, "answered, but a packet was lost and sent again"},
		{"packets lost", &Attempt{Latency: 3 * time.Second, Lost: 2}, Blind, "answered, but 2 packets were lost and sent again"},
		{"a slow connection", &Attempt{Latency: 1200 * time.Millisecond, Spans: []Span{{Phase: PhaseConnect, For: 1100 * time.Millisecond}}}, Blind, "answered, but connecting took over 1s"},
		{"a wait", &Attempt{Latency: 1234567 * time.Microsecond}, Blind, "answered, but only after 1.235s"},
		{"vouched for", lost, Vouched, ""},
		{"controls: none", lost, NoControls, ""},
		{"a failure", &Attempt{Reason: Timeout, Detail: Detail{Error: "dial: no answer"}}, Blind, "dial: no answer"},
	} {
		ev := evidenceOf(Judge(Expectation{}, tt.a, tt.w), tt.a)
		if got := ev.Detail.Error; !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: %s{%s}: got %q, want %q", tt.name, ev.Outcome, ev.Reason, got, tt.want)
		}
		if got := ev.Summary(); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: summary %q, want %q", tt.name, got, tt.want)
		}
	}
}

package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Credentials carry the names that probers reach the aggregator by, and not where it happens to listen.
func TestReachedBy(t *testing.T) {
	listening := []string{"tls://localhost:4222", "wss://localhost:4223"}
	for _, tt := range []struct{ names, want []string }{
		{nil, listening},
		{
			[]string{"gaikei.example.com", "2001:db8::1"},
			[]string{"tls://gaikei.example.com:4222", "tls://[2001:db8::1]:4222", "wss://gaikei.example.com:4223", "wss://[2001:db8::1]:4223"},
		},
	} {
		if d := cmp.Diff(tt.want, reachedBy(listening, tt.names)); d != "" {
			t.Errorf("by the names %v (-want +got):\n%s", tt.names, d)
		}
	}
}

func TestIsHost(t *testing.T) {
	for text, want := range map[string]bool{
		"gaikei.example.com": true, "localhost": true, "192.0.2.1": true, "2001:db8::1": true, "a-1.b": true,
		"": false, "http://gaikei.example.com": false, "gaikei.example.com:4222": false, "-a": false, "a..b": false, "a b": false, "[::1]": false,
	} {
		if got := isHost(text); got != want {
			t.Errorf("isHost(%q) is %v, want %v", text, got, want)
		}
	}
}

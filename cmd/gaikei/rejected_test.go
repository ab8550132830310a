package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/timeline"
)

// TestRejected shows what was put aside, of which part is a stranger's words, in all formats.
func TestRejected(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := timeline.Open(t.Context(), timeline.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Ingest(t.Context(), []timeline.Message{
		{Region: "tokyo", Prober: "p1", Payload: []byte("\x1b[2Jgarbage")},
		{Region: "to\x1b[2Jkyo", Prober: "p1", Payload: []byte("more")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	_, table, _ := gaikei(t, "rejected", "--data", dir)
	lines := strings.Split(table, "\n")
	if len(lines) != 4 || !strings.Contains(lines[1], "off_subject") || !strings.Contains(lines[2], "malformed") || strings.Contains(table, "\x1b") {
		t.Errorf("got %q, want the newest first and nothing that a terminal acts on", table)
	}
	_, text, _ := gaikei(t, "rejected", "--data", dir, "--region", "tokyo", "-o", "json")
	var list []sli.Rejected
	if err := json.Unmarshal([]byte(text), &list); err != nil || len(list) != 1 || string(list[0].Head) != "\x1b[2Jgarbage" {
		t.Errorf("got %s (%v), want the one of tokyo with its first bytes", text, err)
	}
	_, text, _ = gaikei(t, "rejected", "--data", dir, "-o", "csv")
	if !strings.Contains(text, ",tokyo,p1,malformed,") || !strings.Contains(text, ",1b5b324a67617262616765\n") {
		t.Errorf("got %s, want the first bytes in hexadecimal", text)
	}
	if _, text, _ := gaikei(t, "rejected", "--data", dir, "--from", "-2h", "--to", "-1h"); text != "Nothing was put aside in this window.\n" {
		t.Errorf("got %q, want that there is nothing", text)
	}
}

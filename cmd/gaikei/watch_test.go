package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestFileWatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gaikei.yaml")
	at := time.Now().Add(-time.Hour)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		at = at.Add(time.Second)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	write("a")
	w := watchFile(path)
	looks := func(what string, want ...bool) {
		t.Helper()
		for i, x := range want {
			if got := w.changed(); got != x {
				t.Errorf("%s, look %d: got %t, want %t", what, i+1, got, x)
			}
		}
	}
	looks("nothing happened", false, false)
	write("b")
	looks("written", false, true, false, false)
	write("half")
	looks("being written", false)
	write("half and half")
	looks("written to its end", false, true, false)
	write("half and half")
	looks("touched", false, false, false)
	write("noted")
	w.note()
	looks("noted", false, false)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	looks("gone", false, false)
	write("back")
	looks("back", false, true, false)
	write("x")
	write("back")
	looks("changed and changed back", false, false)
}

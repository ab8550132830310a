package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/relay"
	"github.com/gaikei/gaikei/sli/timeline"
)

// TestQueuedIsTold reads a folder whose queue holds a batch that no store has taken, as its owner and as somebody
// who may only read; the latter leaves the folder as it was.
func TestQueuedIsTold(t *testing.T) {
	const hint = "1 batch of results wait in the queue"
	dir := folderWithABatch(t)
	code, _, errs := gaikei(t, "sli", "--data", dir)
	if code != exitFine || !strings.Contains(errs, hint) {
		t.Errorf("as the owner: exit code %d and %q, want 0 and %q", code, errs, hint)
	}

	queue := filepath.Join(dir, "queue")
	if os.Geteuid() == 0 { // to whom no folder is read-only
		if err := os.Chown(queue, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(queue, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(queue, 0o755) })
	before := listing(t, dir)
	code, _, errs = gaikei(t, "sli", "--data", dir)
	if code != exitFine || !strings.Contains(errs, hint) {
		t.Errorf("read-only: exit code %d and %q, want 0 and %q", code, errs, hint)
	}
	if d := cmp.Diff(before, listing(t, dir)); d != "" {
		t.Errorf("reading changed the folder (-want +got):\n%s", d)
	}
}

// folderWithABatch makes a data folder as a kill between putting and taking in leaves it.
func folderWithABatch(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	store, err := timeline.Open(t.Context(), timeline.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	queue, err := relay.Open(t.Context(), relay.Options{Dir: filepath.Join(dir, "queue")})
	if err != nil {
		t.Fatal(err)
	}
	epoch := probe.Epoch{Check: "shop", From: 0, Grid: probe.Grid{Interval: 1000}}
	if err := queue.Outbox("here", localProber).Announce(t.Context(), []probe.Epoch{epoch}); err != nil {
		t.Fatal(err)
	}
	if err := queue.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// listing returns the names in a folder and when each was last written.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	m := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			m[path] = info.ModTime().String()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

package timeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
)

func TestBackupAndRestore(t *testing.T) {
	source, c := t.TempDir(), &clock{noon}
	file := filepath.Join(t.TempDir(), "monday.db")
	s := openStore(t, source, c)
	fillAll(t, s)
	announceOne(t, s)
	want := everythingSaid(t, s)
	if err := Backup(t.Context(), source, file); err != nil {
		t.Fatal(err)
	}
	ingest(t, s, message(t, "p", probe.Batch{Results: []probe.Result{up("zone", on(3, 2*time.Hour))}}))
	if d := cmp.Diff(want, everythingSaid(t, s)); d == "" {
		t.Fatal("what came after the backup made no difference: nothing can be tested")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	dir := filepath.Join(t.TempDir(), "new")
	if err := Restore(t.Context(), file, dir); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, c)
	defer s.Close()
	if d := cmp.Diff(want, everythingSaid(t, s)); d != "" {
		t.Errorf("restored (-want +got):\n%s", d)
	}
	foldAll(t, s)
	if d := cmp.Diff(want, everythingSaid(t, s)); d != "" {
		t.Errorf("restored and folded (-want +got):\n%s", d)
	}
	for _, folder := range []string{filepath.Dir(file), dir} {
		left, err := filepath.Glob(filepath.Join(folder, ".*partial*"))
		if err != nil || len(left) > 0 {
			t.Errorf("got %v left behind, error %v, want nothing", left, err)
		}
	}
}

// While backups are made slots go on being taken in and folded, and each backup has every slot that was safe when it
// began, and no slot without those before it.
func TestBackupsWhileWriting(t *testing.T) {
	source, c := t.TempDir(), &clock{noon}
	s := openStore(t, source, c)
	defer s.Close()
	safe := make(chan int, 10_000)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		done <- func() error {
			for n := 0; ctx.Err() == nil; n++ {
				b := probe.Batch{Results: []probe.Result{up("shop", killSlot(n))}}
				if n == 0 {
					b.Epochs = []probe.Epoch{follow("shop")}
				}
				if err := s.Ingest(context.WithoutCancel(ctx), []Message{message(fataler{}, "p", b)}); err != nil {
					return err
				}
				if err := foldPart(context.WithoutCancel(ctx), s, uint32(n%3)); err != nil {
					return err
				}
				safe <- n
			}
			return nil
		}()
	}()
	for i := range 5 {
		last := <-safe
		for len(safe) > 0 {
			last = <-safe
		}
		file := filepath.Join(t.TempDir(), "backup.db")
		if err := Backup(t.Context(), source, file); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := Restore(t.Context(), file, dir); err != nil {
			t.Fatal(err)
		}
		r, err := OpenReadOnly(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.TrimRight(strings.ReplaceAll(outcomes(t, r, killSlot(0), noon), "no_data", ""), " ")
		n := len(strings.Fields(got))
		if n <= last || got != strings.TrimRight(strings.Repeat("up ", n), " ") {
			t.Errorf("backup %d: got %d slots, want the %d that were safe or more, without a hole: %.200s", i, n, last+1, got)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		t.Logf("backup %d: %d slots were safe, it has %d", i, last+1, n)
	}
	stop()
	for {
		select {
		case <-safe:
			continue
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			return
		}
	}
}

func TestBackupAndRestoreRefuse(t *testing.T) {
	c := &clock{noon}
	full, empty, used := t.TempDir(), t.TempDir(), t.TempDir()
	s := openStore(t, full, c)
	fillAll(t, s)
	good := filepath.Join(t.TempDir(), "good.db")
	if err := errors.Join(Backup(t.Context(), full, good), s.Close()); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, empty, c)
	if _, err := s.Ordinals(t.Context(), regions("tokyo")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, used, c)
	defer s.Close()
	bad := func(name string, change func(data []byte) []byte) string {
		data, err := os.ReadFile(good)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, change(data), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	damaged := bad("damaged.db", func(d []byte) []byte { clear(d[len(d)/2:]); return d })
	cut := bad("cut.db", func(d []byte) []byte { return d[:len(d)/2] })
	text := bad("text.db", func([]byte) []byte { return []byte("not a database at all, but a text") })
	nothing := bad("nothing.db", func([]byte) []byte { return nil })
	logged := bad("logged.db", func(d []byte) []byte { return d })
	if err := os.WriteFile(logged+"-wal", []byte("something"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		what, file, dir string
		want            string
	}{
		{"a folder with timelines", good, full, "it is there already"},
		{"a folder in use", good, used, "in use by process"},
		{"a damaged file", damaged, t.TempDir(), "check"},
		{"half a file", cut, t.TempDir(), "cut.db"},
		{"a text", text, t.TempDir(), "not a database"},
		{"an empty file", nothing, t.TempDir(), "holds no timelines"},
		{"a file with a log", logged, t.TempDir(), "in use, or was copied"},
		{"no file", "nowhere.db", t.TempDir(), "no such file"},
	} {
		before := contents(t, x.dir)
		delete(before, lockName)
		err := Restore(t.Context(), x.file, x.dir)
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: got error %v, want %q", x.what, err, x.want)
		}
		after := contents(t, x.dir)
		delete(after, lockName)
		if d := cmp.Diff(before, after); d != "" {
			t.Errorf("%s: files before and after (-before +after):\n%s", x.what, d)
		}
	}
	if err := Restore(t.Context(), good, empty); err != nil {
		t.Errorf("into a folder whose database is empty: %v", err)
	}
	for what, err := range map[string]error{
		"over a file":             Backup(t.Context(), full, good),
		"of nothing":              Backup(t.Context(), t.TempDir(), filepath.Join(t.TempDir(), "x")),
		"into a folder not there": Backup(t.Context(), full, filepath.Join(t.TempDir(), "no", "x")),
		"of a folder not there":   Backup(t.Context(), filepath.Join(full, "no"), filepath.Join(t.TempDir(), "x")),
		"over a dangling symlink": Backup(t.Context(), full, dangling(t)),
	} {
		if err == nil {
			t.Errorf("a backup %s: got no error", what)
		}
	}
	if _, err := checkFile(t.Context(), good); err != nil {
		t.Errorf("the backup after attempts to overwrite it: %v", err)
	}
}

func dangling(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(fmt.Sprint(path, "-nowhere"), path); err != nil {
		t.Fatal(err)
	}
	return path
}

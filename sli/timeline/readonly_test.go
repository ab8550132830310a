package timeline

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
)

const readWant = "up down{timeout} up no_data"

// folded and journalled slots, so that a reader needs both.
func fillForReading(t *testing.T, s *Store) (from, to time.Time) {
	t.Helper()
	from = noon.Add(-time.Minute)
	ingest(t, s, message(t, "p", probe.Batch{
		Epochs: []probe.Epoch{follow("shop")}, Results: []probe.Result{up("shop", from), down("shop", from.Add(10*time.Second))},
	}))
	foldAll(t, s)
	ingest(t, s, message(t, "p", probe.Batch{Results: []probe.Result{up("shop", from.Add(20*time.Second))}}))
	return from, from.Add(40 * time.Second)
}

// contents gives the files of a folder with what is in them.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	es, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range es {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = fmt.Sprintf("%d bytes, %x", len(data), sha256.Sum256(data))
	}
	return files
}

// copied copies a folder's files as they are, as a person or a killed machine leaves them.
func copied(t *testing.T, to, from string, names ...string) string {
	t.Helper()
	for _, n := range names {
		if err := copyFile(filepath.Join(to, n), filepath.Join(from, n)); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// noWrites makes the disk of a folder refuse every change.
func noWrites(t *testing.T, dir string) {
	t.Helper()
	if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, "size=4m"); err != nil {
		t.Fatalf("remount read-only: %v", err)
	}
}

func TestReadOnlyLeavesNoTrace(t *testing.T) {
	source := t.TempDir()
	s := openStore(t, source, &clock{noon})
	from, to := fillForReading(t, s)

	left := copied(t, t.TempDir(), source, databaseName, databaseName+"-wal")
	disk := copied(t, smallDisk(t), source, databaseName, databaseName+"-wal", lockName)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	closedDisk := copied(t, smallDisk(t), source, databaseName)
	noWrites(t, disk)
	noWrites(t, closedDisk)
	for name, dir := range map[string]string{
		"closed": source, "left by a killed process": left, "left, on a disk that cannot be written": disk,
		"closed, on a disk that cannot be written": closedDisk,
	} {
		t.Run(name, func(t *testing.T) {
			before := contents(t, dir)
			r, err := OpenReadOnly(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			wantText(t, "slots", readWant, outcomes(t, r, from, to))
			if err := r.Ingest(t.Context(), []Message{{Payload: []byte{0}}}); !errors.Is(err, errReadOnly) {
				t.Errorf("ingest: got %v, want a refusal", err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			if d := cmp.Diff(before, contents(t, dir)); d != "" {
				t.Errorf("files before and after (-before +after):\n%s", d)
			}
		})
	}
}

func TestReadOnlyKeepsAWriterOutOfAClosedFolder(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, dir, &clock{noon})
	fillForReading(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := OpenReadOnly(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	f, running := shareFolder(dir)
	if running {
		t.Error("a second reader takes the first one for a writer")
	}
	if err := errors.Join(f.unlock(), r.Close()); err != nil {
		t.Fatal(err)
	}
	s = openStore(t, dir, &clock{noon})
	if _, running = shareFolder(dir); !running {
		t.Error("a reader does not notice the writer")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOtherSchemasAreTold(t *testing.T) {
	for _, version := range []int{0, int(newSQLite().newest()) + 1} {
		dir := t.TempDir()
		s := openStore(t, dir, &clock{noon})
		if _, err := s.db.write.ExecContext(t.Context(), "UPDATE meta SET value = $1 WHERE name = 'schema_version'", version); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		before := contents(t, dir)
		if _, err := OpenReadOnly(t.Context(), dir); !errors.Is(err, ErrSchema) {
			t.Errorf("version %d, to read: got %v, want an ErrSchema", version, err)
		}
		if d := cmp.Diff(before, contents(t, dir)); d != "" {
			t.Errorf("files before and after (-before +after):\n%s", d)
		}
		if version == 0 {
			continue
		}
		if _, err := Open(t.Context(), Options{Dir: dir}); !errors.Is(err, ErrSchema) {
			t.Errorf("version %d, to write: got %v, want an ErrSchema", version, err)
		}
	}
}

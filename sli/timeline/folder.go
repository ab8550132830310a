package timeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/gofrs/flock"
)

// ErrLocked is wrapped by the error about a folder that another process writes to.
var ErrLocked = errors.New("the data folder is in use")

// lockName is the file that is locked; it holds the process id of who did.
const lockName = "store.lock"

// A folder is a claim on a data folder: for writing, for reading undisturbed, or on a copy of it.
type folder struct {
	lock *flock.Flock // nil: none
	mine string       // the lock's file, if it holds our process id
	copy string       // a folder to be removed in the end; empty: none
}

// lockFolder claims the folder for writing. A reader holds it for moments only, so it waits a little.
func lockFolder(ctx context.Context, dir string) (*folder, error) {
	path := filepath.Join(dir, lockName)
	l := flock.New(path)
	wait, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	ok, err := l.TryLockContext(wait, 50*time.Millisecond)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("%s: %w by %s", dir, ErrLocked, holder(path))
	case err != nil:
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	case !ok:
		return nil, fmt.Errorf("%s: %w by %s", dir, ErrLocked, holder(path))
	}
	// On a full disk the id is not written; the lock holds all the same.
	_ = os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644)
	return &folder{lock: l, mine: path}, nil
}

func holder(path string) string {
	text, err := os.ReadFile(path)
	pid := strings.TrimSpace(string(text))
	if err != nil || pid == "" {
		return "another process"
	}
	return "process " + pid
}

func (f *folder) unlock() error {
	var errs []error
	if f.mine != "" {
		_ = os.Truncate(f.mine, 0) // a courtesy: the next one to be turned away is not told of us
	}
	if f.lock != nil {
		errs = append(errs, f.lock.Close())
	}
	if f.copy != "" {
		errs = append(errs, os.RemoveAll(f.copy))
	}
	return errors.Join(errs...)
}

// openAsFound opens the database of a folder for reading, in the way that leaves no trace in it:
//
//   - somebody writes to it: beside them;
//   - it was closed properly: as a file that does not change, while nobody may begin to write to it;
//   - it was left with a write-ahead log: as a copy, since SQLite would have to make an index of the log.
func openAsFound(dir string) (*folder, *database, error) {
	path := filepath.Join(dir, databaseName)
	f, running := shareFolder(dir)
	var db *database
	var err error
	switch {
	case running:
		db, err = openReadOnly(path)
	case hasLog(path):
		if f.copy, err = copyDatabase(path); err == nil {
			db, err = openReadOnly(filepath.Join(f.copy, databaseName))
		}
	default:
		db, err = openReadOnly(path, "immutable", "1")
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.unlock())
	}
	return f, db, nil
}

// shareFolder keeps writers out if there is none, and reports whether there is one.
func shareFolder(dir string) (f *folder, running bool) {
	path := filepath.Join(dir, lockName)
	if _, err := os.Stat(path); err != nil {
		return &folder{}, false // never opened by a writer here, such as a copy; there is nothing to lock
	}
	l := flock.New(path, flock.SetFlag(os.O_RDONLY))
	ok, err := l.TryRLock()
	if err != nil {
		return &folder{}, false // not ours to lock, such as another user's folder
	}
	if !ok {
		_ = l.Close() // nothing was locked
		return &folder{}, true
	}
	return &folder{lock: l}, false
}

// hasLog reports whether the database has a write-ahead log with something in it.
func hasLog(path string) bool {
	i, err := os.Stat(path + "-wal")
	return err == nil && i.Size() > 0
}

// copyDatabase copies the database and its log to a folder of its own, and returns that.
func copyDatabase(path string) (dir string, err error) {
	if dir, err = os.MkdirTemp("", "gaikei-read-"); err != nil {
		return "", err
	}
	for _, suffix := range []string{"", "-wal"} {
		if err := copyFile(filepath.Join(dir, databaseName+suffix), path+suffix); err != nil {
			return dir, fmt.Errorf("copy for reading: %w", err)
		}
	}
	return dir, nil
}

func copyFile(to, from string) (err error) {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	w, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	_, err = io.Copy(w, r)
	return err
}

package relay

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// lockFolder takes the folder for this process until the lock is released or the process ends, however it ends.
func lockFolder(dir string) (*flock.Flock, error) {
	path := filepath.Join(dir, "lock")
	l := flock.New(path)
	ok, err := l.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock folder %s: %w", dir, err)
	}
	if !ok {
		return nil, fmt.Errorf("lock folder %s: %w by %s", dir, ErrLocked, holder(path))
	}
	// Only a courtesy to whoever finds the folder locked: on a full disk it fails, and the lock holds all the same.
	_ = os.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o640)
	return l, nil
}

// holder names the process that has the lock.
func holder(path string) string {
	data, err := os.ReadFile(path)
	if pid, perr := strconv.Atoi(strings.TrimSpace(string(data))); err == nil && perr == nil {
		return fmt.Sprintf("process %d", pid)
	}
	return "another process"
}

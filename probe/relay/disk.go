package relay

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// freeBytes is what an unprivileged process can still write into the file system of dir.
func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("ask for the free disk of %s: %w", dir, err)
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// usedBytes is the size of the files below dir.
func usedBytes(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("ask for the size of %s: %w", dir, err)
	}
	return sum, nil
}

// chooseMaxBytes takes 1 GiB or a quarter of the free disk, whichever is less. What the queue has itself counts
// as free, and is the least that is chosen: else a restart on a disk that others filled would drop results
// that nobody has read yet.
func chooseMaxBytes(dir string) (int64, error) {
	free, err := freeBytes(dir)
	if err != nil {
		return 0, err
	}
	used, err := usedBytes(dir)
	if err != nil {
		return 0, err
	}
	return max(min(defaultMaxBytes, (free+used)/4), used, minMaxBytes), nil
}

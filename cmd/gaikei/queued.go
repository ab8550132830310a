package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/gaikei/gaikei/probe/relay"
)

// noteQueued says how many batches of results wait in the queue of a folder that no server has open: the figures
// lack them until one runs again.
func noteQueued(ctx context.Context, dir string, w io.Writer) {
	path := filepath.Join(dir, "queue")
	if !exists(path) {
		return
	}
	n, err := queuedIn(ctx, path)
	if err != nil {
		fmt.Fprintf(w, "gaikei: hint: whether results wait in the queue is not known: %v\n", err)
		return
	}
	if n > 0 {
		fmt.Fprintf(w, "gaikei: hint: %s of results wait in the queue and are not in these figures; 'gaikei run' takes them in\n", batches(n))
	}
}

// queuedIn counts the batches that wait in a queue. Opening a queue writes to it, so one that is not the asker's own
// is copied first: whoever only reads must not leave files there that its owner cannot write.
func queuedIn(ctx context.Context, path string) (int64, error) {
	if !own(path) {
		copied, err := copyQueue(path)
		if err != nil {
			return 0, err
		}
		defer os.RemoveAll(copied)
		path = filepath.Join(copied, "queue")
	}
	q, err := relay.Open(ctx, relay.Options{Dir: path})
	if err != nil {
		return 0, err
	}
	defer q.Close()
	return q.Status().Pending, nil
}

// own reports whether a folder belongs to the user of this process, who can write to it.
func own(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Geteuid() && unix.Access(path, unix.W_OK) == nil
}

// maxCopied bounds the bytes of a queue that is copied to be looked at.
const maxCopied = 256 << 20

// copyQueue copies a queue into a temporary folder, which the caller removes.
func copyQueue(path string) (string, error) {
	var size int64
	err := filepath.WalkDir(path, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && !d.IsDir() {
			size += info.Size()
		}
		return err
	})
	if err == nil && size > maxCopied {
		err = fmt.Errorf("%s holds %d MiB, too much to copy; its owner can look without", path, size>>20)
	}
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "gaikei-queue-")
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(filepath.Join(dir, "queue"), os.DirFS(path)); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	return dir, nil
}

func batches(n int64) string {
	if n == 1 {
		return "1 batch"
	}
	return fmt.Sprintf("%d batches", n)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

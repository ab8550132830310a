package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// A kept value is made of files and made again when one of them has changed, which is looked at whenever somebody
// asks: what was taken back is not given out again. If it cannot be made, that is told and the old one stays. It is
// safe for concurrent use.
type kept[T any] struct {
	what string // for the log
	log  *slog.Logger
	// load makes the value of files that it reads by way of the reading; old is nil the first time. With an error it may
	// still return a value that is better than the old one.
	load func(r reading, old *T) (*T, error)

	mu    sync.Mutex // guards what follows
	value *T
	files reading // as they were when they were last read, for better or worse
}

// open makes the value for the first time.
func (k *kept[T]) open() error {
	k.files = reading{}
	v, err := k.load(k.files, nil)
	k.value = v
	return err
}

// get returns the value that the files give now, or the last good one.
func (k *kept[T]) get() *T {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.files.changed() {
		return k.value
	}
	before := k.files
	if v, err := k.read(); !k.files.equal(before) { // else it was written again as it was
		k.take(v, err)
	}
	return k.value
}

// again makes the value again, whether or not a file seems to have changed.
func (k *kept[T]) again() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.take(k.read())
}

func (k *kept[T]) read() (*T, error) {
	k.files = reading{}
	return k.load(k.files, k.value)
}

func (k *kept[T]) take(v *T, err error) {
	if v != nil {
		k.value = v
	}
	if err != nil {
		k.log.Error(k.what+" not read again, the old state stays in force", "error", err)
		return
	}
	k.log.Info(k.what + " read again")
}

// A reading is the files that something was made of, each as it was.
type reading map[string]seen

// seen is a file as it was read.
type seen struct {
	info    fs.FileInfo // nil: it could not be looked at
	content [sha256.Size]byte
	unsure  bool // it was so new that it may change and look the same
}

// maxAccessFile bounds a file that says who may read.
const maxAccessFile = 1 << 20

// tick is longer than the clock of any file system takes to move on.
const tick = 2 * time.Second

// read reads a regular file and remembers how it was. An error is a *fs.PathError.
func (r reading) read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		r[path] = seen{}
		return nil, err
	}
	s := seen{info: info, unsure: time.Since(info.ModTime()) < tick}
	defer func() { r[path] = s }()
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: path, Err: errors.New("not a regular file")}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxAccessFile+1))
	if err == nil && len(data) > maxAccessFile {
		err = fmt.Errorf("it has more than %d bytes", maxAccessFile)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: path, Err: err}
	}
	s.content = sha256.Sum256(data)
	return data, nil
}

// changed reports whether a file may be another one than was read.
func (r reading) changed() bool {
	for path, was := range r {
		info, err := os.Stat(path)
		switch {
		case err != nil && was.info == nil:
		case err != nil, was.info == nil, was.unsure,
			!os.SameFile(info, was.info), !info.ModTime().Equal(was.info.ModTime()), info.Size() != was.info.Size():
			return true
		}
	}
	return false
}

// equal reports whether two readings read the same.
func (r reading) equal(other reading) bool {
	if len(r) != len(other) {
		return false
	}
	for path, a := range r {
		b, ok := other[path]
		if !ok || (a.info == nil) != (b.info == nil) || !bytes.Equal(a.content[:], b.content[:]) {
			return false
		}
	}
	return true
}

package main

import (
	"crypto/sha256"
	"os"
	"time"
)

// watchEvery is how often a file is looked at. What is written to it is noticed when it has stayed the same for as
// long, so that a file that is being written is not read half.
const watchEvery = 2 * time.Second

// A fileWatch notices that a file has other content than it had. One that is gone, or cannot be read, has not changed.
type fileWatch struct {
	path   string
	known  [sha256.Size]byte // the content that was told, or noted
	latest [sha256.Size]byte // the content at the last look
	stat   fileStat          // at the last look
}

// fileStat is what changes with a file, for all that is known without reading it.
type fileStat struct {
	size int64
	at   time.Time
}

func watchFile(path string) *fileWatch {
	w := &fileWatch{path: path}
	w.note()
	return w
}

// note takes the present content for known.
func (w *fileWatch) note() {
	w.look()
	w.known = w.latest
}

// changed reports, once, that the content is another one than was known, and that it was the same at the last look.
func (w *fileWatch) changed() bool {
	before := w.stat
	w.look()
	if w.stat != before || w.latest == w.known {
		return false
	}
	w.known = w.latest
	return true
}

func (w *fileWatch) look() {
	info, err := os.Stat(w.path)
	if err != nil {
		return
	}
	stat := fileStat{info.Size(), info.ModTime()}
	if stat == w.stat {
		return
	}
	data, err := os.ReadFile(w.path)
	if err != nil {
		return
	}
	w.stat, w.latest = stat, sha256.Sum256(data)
}

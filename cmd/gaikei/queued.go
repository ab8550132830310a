package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gaikei/gaikei/probe/relay"
)

// noteQueued says how many batches of results wait in the queue of a folder that no server has open: the figures
// lack them until one runs again.
func noteQueued(ctx context.Context, dir string, w io.Writer) {
	path := filepath.Join(dir, "queue")
	if !exists(path) {
		return
	}
	q, err := relay.Open(ctx, relay.Options{Dir: path})
	if err != nil {
		fmt.Fprintf(w, "gaikei: hint: whether results wait in the queue is not known: %v\n", err)
		return
	}
	defer q.Close()
	if n := q.Status().Pending; n > 0 {
		fmt.Fprintf(w, "gaikei: hint: %s of results wait in the queue and are not in these figures; 'gaikei run' takes them in\n", batches(n))
	}
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

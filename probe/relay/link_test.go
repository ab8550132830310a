package relay

import (
	"context"
	"errors"
	"testing"
)

// Who waits for a connection and is told to stop, stops, also while there is one: otherwise what is late would be sent
// for ever at the end of a prober.
func TestAwaitEnds(t *testing.T) {
	for _, up := range []bool{false, true} {
		l := &link{changed: make(chan struct{})}
		if up {
			l.rise()
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.await(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("connected %v, told to stop: got %v, want that it is told so", up, err)
		}
	}
}

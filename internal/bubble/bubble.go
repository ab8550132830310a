// Package bubble runs tests in bubbles of testing/synctest.
package bubble

import (
	"runtime"
	"testing"
	"testing/synctest"
)

// Test is [synctest.Test] on one processor. On several, two goroutines of a bubble that find their timers fired enter the race
// detector with one context, which in the end crashes it (golang/go#78156). What it finds does not depend on their number.
//
// A test that calls Test must not run in parallel with others, as the number of processors is the process's.
func Test(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	synctest.Test(t, f)
}

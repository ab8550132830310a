//go:build !chaos

package main

import "time"

// What a build for `make chaos` does otherwise; see hooks_chaos.go.

// wallClock reads the wall clock of a prober.
func wallClock() time.Time { return time.Now() }

// clockShift tells how far that clock is off the machine's; nil: not at all.
func clockShift() func() time.Duration { return nil }

// journal writes down what a prober puts into its queue; nil: nobody does.
func journal() func(region, prober string, payload []byte) func(error) { return nil }

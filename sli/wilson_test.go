package sli

import "testing"

// Of what was all good or all bad one end of the interval is known, to the last digit.
func TestWilsonEnds(t *testing.T) {
	for n := range 2000 {
		n := float64(n)/3 + 1
		if low, high := wilson(0, n); low != 0 || high <= 0 || high >= 1 {
			t.Fatalf("all bad of %v: got %v to %v, want from 0", n, low, high)
		}
		if low, high := wilson(1, n); high != 1 || low <= 0 || low >= 1 {
			t.Fatalf("all good of %v: got %v to %v, want up to 1", n, low, high)
		}
	}
}

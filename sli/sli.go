// Package sli computes what the looks at a target amount to: counts, availability, latency, coverage, and
// how sure they are. It is pure arithmetic over slots and intervals of time. It imports nothing else of
// Gaikei, never reads the clock, never logs, and opens nothing; timelines and their store are in
// sli/timeline, the API and the page in sli/web.
//
// All instants are Unix milliseconds (int64) and all windows half open, [from, to).
package sli

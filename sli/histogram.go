package sli

import "math"

// A Histogram weighs latencies by their index, in whole numbers: of slots, or of ms. The zero value is empty. Adding
// and merging are exact, in any order. Not safe for concurrent use.
type Histogram struct {
	base Index // the index of bins[0]
	bins []int64
}

// Add gives a latency some more weight. NoLatency has none.
func (h *Histogram) Add(i Index, weight int64) {
	if i == NoLatency {
		return
	}
	h.cover(i, i)
	h.bins[int(i)-int(h.base)] += weight
}

// Merge adds all that another histogram weighed.
func (h *Histogram) Merge(o *Histogram) {
	if len(o.bins) == 0 {
		return
	}
	h.cover(o.base, Index(min(int(o.base)+len(o.bins)-1, math.MaxInt16)))
	for i, weight := range o.bins {
		if weight != 0 {
			h.bins[int(o.base)-int(h.base)+i] += weight
		}
	}
}

// Weight is that of all latencies together.
func (h *Histogram) Weight() int64 {
	var sum int64
	for _, weight := range h.bins {
		sum += weight
	}
	return sum
}

// Quantiles gives the quantiles that reports have, by name: the least latency x such that weight(≤ x) ≥ q·W. A latency
// weighs one; a quantile of fewer than 1/(1−q) of them is null.
func (h *Histogram) Quantiles() map[string]*Value {
	out := make(map[string]*Value, len(quantiles))
	n, i, upTo := h.Weight(), -1, int64(0)
	for _, q := range quantiles {
		out[q.name] = nil
		if !q.given(n) {
			continue
		}
		for 100*upTo < q.percent*n {
			i++
			upTo += h.bins[i]
		}
		v := Value((h.base + Index(i)).Seconds())
		out[q.name] = &v
	}
	return out
}

// cover makes room for the bins lo to hi.
func (h *Histogram) cover(lo, hi Index) {
	const slack = 16 // latencies drift: do not grow by one bin a time
	first, last := int(lo), int(hi)
	if len(h.bins) > 0 {
		base, top := int(h.base), int(h.base)+len(h.bins)-1
		if first >= base && last <= top {
			return
		}
		first, last = min(first, base), max(last, top)
	}
	first = max(first-slack, int(NoLatency))
	grown := make([]int64, last+slack-first+1)
	if len(h.bins) > 0 {
		copy(grown[int(h.base)-first:], h.bins)
	}
	h.base, h.bins = Index(first), grown
}

// at returns the weight at an index.
func (h *Histogram) at(i int) int64 {
	if i < int(h.base) || i >= int(h.base)+len(h.bins) {
		return 0
	}
	return h.bins[i-int(h.base)]
}

// trimmed returns the bins without the empty ones at either end, and the index of the first.
func (h *Histogram) trimmed() (Index, []int64) {
	first, end := 0, len(h.bins)
	for first < end && h.bins[first] == 0 {
		first++
	}
	for first < end && h.bins[end-1] == 0 {
		end--
	}
	return h.base + Index(first), h.bins[first:end]
}

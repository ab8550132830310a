package sli

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"sync"
)

// An Index is a quantised latency: the DDSketch index i = ⌈ln x ÷ ln γ⌉ of x seconds, γ = 101/99, standing
// for the value 2γⁱ/(γ+1), within 1 % of x.
//
// Source: Masson, Rim, Lee, "DDSketch: a fast and fully-mergeable quantile sketch with relative-error
// guarantees", VLDB 2019, section 2.1.
type Index int16

// NoLatency marks the absence of a latency.
const NoLatency Index = -1 << 15

// Seconds is the value that stands for every latency of this index; NaN for NoLatency. It is the float64
// nearest to the true value and the same on every machine, which powers of a rounded γ are not.
func (i Index) Seconds() float64 {
	switch {
	case i == NoLatency:
		return math.NaN()
	case shortest <= i && i <= longest:
		return usual()[i-shortest]
	}
	return i.seconds()
}

// The indexes of a microsecond and of ten hours: most latencies are in between.
const shortest, longest Index = -700, 525

// usual are the values of the indexes in between, which take long to work out.
var usual = sync.OnceValue(func() *[longest - shortest + 1]float64 {
	var all [longest - shortest + 1]float64
	for i := range all {
		all[i] = (shortest + Index(i)).seconds()
	}
	return &all
})

func (i Index) seconds() float64 {
	const bits = 128
	number := func(x int64) *big.Float { return new(big.Float).SetPrec(bits).SetInt64(x) }
	power, n := new(big.Float).Quo(number(101), number(99)), int(i)
	if n < 0 {
		power, n = new(big.Float).Quo(number(99), number(101)), -n
	}
	value := new(big.Float).Quo(number(99), number(100)) // 2/(γ+1)
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			value.Mul(value, power)
		}
		power.Mul(power, power)
	}
	x, _ := value.Float64()
	return x
}

// latencies are those of the slots that were expected reachable and have a verdict: a histogram of the good ones,
// weighed by cells in ms, and how much was bad. A slot that a correction made good or bad is among them if its outcome
// was up or down, which alone tell that the target was expected reachable.
type latencies struct {
	Histogram
	up, down     int64 // slots
	upMS, downMS int64
	underUp      int64 // ms of good slots under their threshold
}

// add counts n up or down slots. A good slot without a latency is in no latency figure: probers send none, and one that was
// down has none to tell when a correction makes it good.
func (l *latencies) add(s *Slot, v Verdict, n int64) {
	ms := n * s.Cell
	if v == Bad {
		l.down += n
		l.downMS += ms
		return
	}
	if s.Outcome == Down || s.Latency == NoLatency {
		return
	}
	l.up += n
	l.upMS += ms
	if s.Under {
		l.underUp += ms
	}
	l.Add(s.Latency, ms)
}

func (l *latencies) merge(o *latencies) {
	l.up += o.up
	l.down += o.down
	l.upMS += o.upMS
	l.downMS += o.downMS
	l.underUp += o.underUp
	l.Merge(&o.Histogram)
}

// MarshalJSON writes a plain number, or the string "+Inf", which JSON has no number for.
func (v Value) MarshalJSON() ([]byte, error) {
	if math.IsInf(float64(v), 1) {
		return []byte(`"+Inf"`), nil
	}
	return json.Marshal(float64(v))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (v *Value) UnmarshalJSON(b []byte) error {
	if string(b) == `"+Inf"` {
		*v = Value(math.Inf(1))
		return nil
	}
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return fmt.Errorf("seconds %s: want a number or \"+Inf\"", b)
	}
	*v = Value(f)
	return nil
}

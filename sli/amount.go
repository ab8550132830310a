package sli

// An Amount is time by how it counts, in ms, weighted where it is of several regions or checks; and slots, which are not. The
// zero Amount is none.
type Amount struct {
	Good, Bad, None, Excluded float64
	GoodSlots, BadSlots       int64
}

func (a *Amount) add(v Verdict, ms float64) {
	switch v {
	case Good:
		a.Good += ms
	case Bad:
		a.Bad += ms
	case None:
		a.None += ms
	case Excluded:
		a.Excluded += ms
	}
}

// count adds slots of one verdict, and their time.
func (a *Amount) count(v Verdict, slots, ms int64) {
	a.add(v, float64(ms))
	switch v {
	case Good:
		a.GoodSlots += slots
	case Bad:
		a.BadSlots += slots
	}
}

// plus adds another amount w times; slots are added once.
func (a Amount) plus(b Amount, w float64) Amount {
	return Amount{
		a.Good + w*b.Good, a.Bad + w*b.Bad, a.None + w*b.None, a.Excluded + w*b.Excluded,
		a.GoodSlots + b.GoodSlots, a.BadSlots + b.BadSlots,
	}
}

// Plus adds another amount.
func (a Amount) Plus(b Amount) Amount { return a.plus(b, 1) }

// Minus takes away another amount that is part of it.
func (a Amount) Minus(b Amount) Amount {
	return Amount{a.Good - b.Good, a.Bad - b.Bad, a.None - b.None, a.Excluded - b.Excluded, a.GoodSlots - b.GoodSlots, a.BadSlots - b.BadSlots}
}

// Valid is the time that counts as good or bad.
func (a Amount) Valid() float64 { return a.Good + a.Bad }

// due is all time but that which is excluded.
func (a Amount) due() float64 { return a.Good + a.Bad + a.None }

// Ratio is good ÷ valid, null if nothing is valid.
func (a Amount) Ratio() *float64 { return ratio(a.Good, a.Valid()) }

// decided is the share of the time that is not excluded which came to a verdict, null if there is none.
func (a Amount) decided() *float64 { return ratio(a.Valid(), a.due()) }

// undecidedAs is the amount as if all undecided time had been of one verdict.
func (a Amount) undecidedAs(v Verdict) Amount {
	none := a.None
	a.None = 0
	a.add(v, none)
	return a
}

// Amount is what a tally has of an indicator.
func (t *Tally) Amount(m Measure) Amount {
	l := &t.latency
	switch {
	case m.Indicator == IndicatorProber:
		return Amount{Good: float64(t.verdict), Bad: float64(t.due - t.verdict), GoodSlots: t.told(), BadSlots: t.Slots().Scheduled - t.told()}
	case m.Indicator != IndicatorLatency:
		return Amount{
			Good: float64(t.ms[Good]), Bad: float64(t.ms[Bad]), None: float64(t.ms[None]), Excluded: float64(t.ms[Excluded]),
			GoodSlots: t.slots[Good], BadSlots: t.slots[Bad],
		}
	}
	a := Amount{Good: float64(l.underUp), Bad: float64(l.upMS - l.underUp), None: float64(t.ms[None]), Excluded: float64(t.ms[Excluded])}
	if m.Of != OfUp {
		a.Bad += float64(l.downMS)
	}
	return a
}

// told is the number of slots that came to a verdict, as observed.
func (t *Tally) told() int64 {
	return t.seen[Up] + t.seen[Down] + t.seen[ExpectedUnreachable] + t.seen[Unexpected]
}

// A Blend makes one amount of many. A leaf has a Line; others have Parts.
type Blend struct {
	Name   string  // of a part: its region or check
	Weight float64 // in its pool
	Worst  bool    // the part with the lowest ratio stands for all of them, else they are pooled
	Parts  []Blend
	Line   []Amount // from each cut to the next
	Still  float64  // ms that are still due in a calendar's window
}

// enoughDecided is the share of a part's time that must be decided for it to be the worst: a ratio of a few minutes says little.
const enoughDecided = 0.5

// Between is the amount from the i-th cut to the k-th, and the name of the part that it is of, if one stands for all.
func (b *Blend) Between(i, k int) (Amount, string) {
	return b.as(i, k, asObserved)
}

// as is Between if each leaf were seen in another way: which part is the worst depends on it.
func (b *Blend) as(i, k int, view func(Amount) Amount) (Amount, string) {
	var sum Amount
	if b.Parts == nil {
		for _, a := range b.Line[i:k] {
			sum = sum.plus(a, 1)
		}
		return view(sum), ""
	}
	if !b.Worst {
		for p := range b.Parts {
			a, _ := b.Parts[p].as(i, k, view)
			sum = sum.plus(a, b.Parts[p].Weight)
		}
		return sum, ""
	}
	worst := b.worst(i, k, view)
	if worst == nil {
		return sum, ""
	}
	a, deeper := worst.as(i, k, view)
	if deeper != "" {
		return a, worst.Name + " in " + deeper
	}
	return a, worst.Name
}

// worst is the part with the lowest ratio of those that have one and are decided enough; nil if there is none.
func (b *Blend) worst(i, k int, view func(Amount) Amount) *Blend {
	var worst *Blend
	var lowest float64
	for p := range b.Parts {
		a, _ := b.Parts[p].as(i, k, view)
		r, decided := a.Ratio(), a.decided()
		if r == nil || *decided < enoughDecided {
			continue
		}
		if worst == nil || *r < lowest {
			worst, lowest = &b.Parts[p], *r
		}
	}
	return worst
}

// decided is the share of the time that is not excluded which came to a verdict; of several of which the worst stands for all,
// the least of them, since it might be another one.
func (b *Blend) decided(i, k int) *float64 {
	if !b.Worst || b.Parts == nil {
		a, _ := b.Between(i, k)
		return a.decided()
	}
	var least *float64
	for p := range b.Parts {
		if d := b.Parts[p].decided(i, k); d != nil && (least == nil || *d < *least) {
			least = d
		}
	}
	return least
}

// asObserved is how Between sees a leaf.
func asObserved(a Amount) Amount { return a }

// still is the time that is still due, weighted as the amounts of the same part are.
func (b *Blend) still(i, k int) float64 {
	return b.sum(i, k, func(leaf *Blend) float64 { return leaf.Still })
}

// share is the sum of the weights of the leaves that had anything due: the amount divided by it is time as a clock shows it.
func (b *Blend) share(i, k int) float64 {
	return b.sum(i, k, func(leaf *Blend) float64 {
		if a, _ := leaf.Between(i, k); a.due()+a.Excluded > 0 {
			return 1
		}
		return 0
	})
}

// sum adds up a number of the leaves that the amount is of, with their weights.
func (b *Blend) sum(i, k int, of func(leaf *Blend) float64) float64 {
	switch {
	case b.Parts == nil:
		return of(b)
	case b.Worst:
		if w := b.worst(i, k, asObserved); w != nil {
			return w.sum(i, k, of)
		}
		return 0
	}
	sum := 0.0
	for p := range b.Parts {
		sum += b.Parts[p].Weight * b.Parts[p].sum(i, k, of)
	}
	return sum
}

// Clock is the amount between all cuts in time of the clock: divided by the weights of all leaves, each of which must be of something
// that was followed then. Whether one has a slot between the cuts does not matter: these may be closer together than slots are, and
// amounts of short times are to add up to that of a long one.
func (b *Blend) Clock() Amount {
	n := b.cuts()
	a, _ := b.Between(0, n)
	weights := b.sum(0, n, func(*Blend) float64 { return 1 })
	if weights == 0 {
		return Amount{}
	}
	return Amount{}.plus(a, 1/weights)
}

// cuts is how many amounts every line has.
func (b *Blend) cuts() int {
	for b.Parts != nil {
		if len(b.Parts) == 0 {
			return 0
		}
		b = &b.Parts[0]
	}
	return len(b.Line)
}

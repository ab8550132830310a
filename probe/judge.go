package probe

import (
	"time"
)

// A Witness is what is known of the prober's own network while an attempt ran.
type Witness uint8

// The witnesses. The zero value is the one that allows no verdict.
const (
	Blind      Witness = iota // nobody could vouch
	Vouched                   // other hosts were seen at the right instants
	NoControls                // the configuration says `controls: none`
)

// String returns the witness's name for people.
func (w Witness) String() string {
	switch w {
	case Vouched:
		return "vouched"
	case NoControls:
		return "no controls"
	}
	return "blind"
}

// A Verdict is what an attempt, or a slot of several attempts, came to.
type Verdict struct {
	Outcome Outcome
	Reason  Reason
	// Suspected is what went wrong in an inconclusive look, whoever's fault it was; ReasonNone if it was
	// answered and only its latency cannot be trusted.
	Suspected Reason
	// Unvouched marks a failure that nobody vouched for, because there are no controls.
	Unvouched bool
}

// Judge says what an attempt came to. It is pure.
//
// Faults of our own never make a verdict, whatever was expected. Whatever answers proves itself: an
// assertion that did not hold is down, and a target that should be unreachable and answers is
// unexpected{reached}, with all controls dead. Everything else that the network of the prober could have
// caused needs Vouched: silence, refusals, names that do not resolve, bodies that stop, and successes that
// took over a second or lost a packet, whose latency may be ours.
//
// An attempt that was answered and then failed on the path, as when a redirect leads to a dead host, has
// reached its target: unexpected where the target should be unreachable, and where it should be reachable a
// failure that needs a voucher like any other on the path.
func Judge(e Expectation, a *Attempt, w Witness) Verdict {
	switch class := a.Reason.Class(); {
	case !a.Reason.Valid():
		return Verdict{Outcome: Inconclusive, Reason: Internal}
	case class == ClassMissed:
		return Verdict{Outcome: Missed, Reason: a.Reason}
	case class == ClassOwn:
		return Verdict{Outcome: Inconclusive, Reason: a.Reason}
	case e.Unreachable:
		return judgeUnreachable(e, a, w)
	}
	return judgeReachable(a, w)
}

func judgeReachable(a *Attempt, w Witness) Verdict {
	doubtful := a.doubt() != noDoubt
	switch {
	case doubtful && w == Blind:
		return Verdict{Outcome: Inconclusive, Reason: NoVouch, Suspected: a.Reason}
	case a.Reason == ReasonNone:
		return Verdict{Outcome: Up}
	}
	return Verdict{Outcome: Down, Reason: a.Reason, Unvouched: doubtful && w == NoControls}
}

// judgeUnreachable takes NoControls for Blind: a prober with no network would certify every firewall. The
// configuration refuses the combination.
func judgeUnreachable(e Expectation, a *Attempt, w Witness) Verdict {
	switch {
	case e.reached(a):
		return Verdict{Outcome: Unexpected, Reason: Reached}
	case w != Vouched:
		return Verdict{Outcome: Inconclusive, Reason: NoVouch, Suspected: a.Reason}
	case e.allows(a):
		return Verdict{Outcome: ExpectedUnreachable, Reason: a.Reason}
	}
	return Verdict{Outcome: Unexpected, Reason: a.Reason}
}

// reached reports whether a target that should be unreachable answered. A session reason that the
// configuration names is no answer: a connection that is accepted and then reset or left hanging is just
// what was named. After a redirect it is the next host that hangs, so the first one was reached.
func (e Expectation) reached(a *Attempt) bool {
	switch a.Reason.Class() {
	case ClassNone, ClassAnswer:
		return true
	case ClassSession:
		return a.Answered && (!e.By.Has(a.Reason) || a.hops() > 0)
	}
	return a.Answered
}

func (a *Attempt) hops() int {
	n := 0
	for i := range a.Spans {
		n = max(n, a.Spans[i].Hop)
	}
	return n
}

// A doubt is a way in which the prober's own network may be in what an attempt saw.
type doubt uint8

const (
	noDoubt      doubt = iota
	doubtFailure       // it failed, and our network could have been why
	doubtWaited        // it succeeded after a wait in which our network could have been dead
	doubtLost          // it succeeded after a loss that could have been in our network
)

// retransmitted is the initial retransmission timeout of TCP (RFC 6298, section 2.1).
const retransmitted = time.Second

// doubt says what has to be proved before an attempt can be believed where its target is expected
// reachable. A connection that took a second lost its first packet even where the system does not tell.
func (a *Attempt) doubt() doubt {
	switch {
	case a.Reason.NeedsVoucher():
		return doubtFailure
	case a.Reason != ReasonNone:
		return noDoubt
	case a.Lost > 0 || a.slowConnect():
		return doubtLost
	case a.Latency >= roundAfter:
		return doubtWaited
	}
	return noDoubt
}

// delayed reports whether a failure at the deadline followed a loss that was made good: without the loss the
// target might have answered in time. Over UDP a repeated query is part of every silence.
func (a *Attempt) delayed() bool {
	switch {
	case a.Reason == TooSlow, a.Reason == ResponseTimeout && !a.Datagram:
		return a.Lost > 0 && !a.Pending || a.slowConnect()
	}
	return false
}

// slowConnect reports whether connecting took so long that a packet was lost. A proxy may have waited for the target meanwhile.
func (a *Attempt) slowConnect() bool {
	if a.Latency < retransmitted || a.Via != "" {
		return false
	}
	for i := range a.Spans {
		if a.Spans[i].Phase == PhaseConnect && a.Spans[i].For >= retransmitted {
			return true
		}
	}
	return false
}

// needsWitness reports whether Judge has a use for a witness.
func (e Expectation) needsWitness(a *Attempt) bool {
	switch a.Reason.Class() {
	case ClassMissed, ClassOwn:
		return false
	}
	if e.Unreachable {
		return !e.reached(a)
	}
	return a.doubt() != noDoubt
}

// settles reports whether a retrying client stops after this attempt: it has what it came for, or we could
// not try.
func (e Expectation) settles(a *Attempt) bool {
	switch a.Reason.Class() {
	case ClassNone, ClassMissed, ClassOwn:
		return true
	}
	return e.Unreachable && e.reached(a)
}

// Settle makes one verdict of those of a slot's attempts, in order, at least one: what a client that tries
// again experienced. The second value is the index of the attempt that decided. It is pure.
//
// An attempt that the prober's own network may have spoilt leaves open what the client would have
// experienced (success at once, no wait), so it takes the verdict from all that follow; only what proves
// itself against an expected-unreachable target stands all the same.
func Settle(vs []Verdict) (Verdict, int) {
	last := len(vs) - 1
	if v := vs[last]; !v.Outcome.Verdict() || v.Reason == Reached {
		return v, last
	}
	unexpected := -1
	for i, v := range vs {
		switch v.Outcome {
		case Inconclusive:
			return v, i
		case Unexpected:
			unexpected = i
		}
	}
	if unexpected >= 0 {
		return vs[unexpected], unexpected
	}
	return vs[last], last
}

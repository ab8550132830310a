package probe

import (
	"context"
	"net/netip"
	"time"
)

// A fake is a kind whose attempts a test decides.
type fake struct {
	target Target
	do     func(ctx context.Context) Attempt
}

func (f *fake) Validate() []Problem { return nil }
func (f *fake) Target() Target      { return f.target }

func (f *fake) Attempt(ctx context.Context, _ *World) Attempt {
	start := time.Now()
	a := f.do(ctx)
	if a.Start.IsZero() {
		a.Start = start
	}
	if a.Latency == 0 {
		a.Latency = time.Since(start)
	}
	if a.Host == "" {
		a.Host = f.target.Host
	}
	if addr, err := netip.ParseAddr(a.Host); err == nil && !a.Addr.IsValid() {
		a.Addr = netip.AddrPortFrom(addr, 80)
	}
	if a.Family == FamilyUnknown {
		a.Family = f.target.family()
	}
	return a
}

// host makes a target at an address.
func host(address string) Target {
	addr := netip.MustParseAddr(address)
	return Target{Host: address, Port: 80, Families: []Family{FamilyOf(addr)}, Text: address}
}

// named makes a target with a name.
func named(name string) Target {
	return Target{Host: name, Port: 80, Families: []Family{IPv4}, Name: true, Text: name}
}

// after makes attempts that come to a reason after a time, or to a time-out when the deadline is earlier.
func after(d time.Duration, r Reason) func(context.Context) Attempt {
	return func(ctx context.Context) Attempt {
		if !pause(ctx, d) {
			return Attempt{Reason: Timeout}
		}
		return Attempt{Reason: r, Answered: r == ReasonNone || r.Class() == ClassAnswer}
	}
}

// checkOf makes a check that is looked at once a minute.
func checkOf(k Kind, timeout time.Duration) *Check {
	return &Check{Name: "c", ID: "c", Kind: k, Interval: time.Minute, Timeout: timeout}
}

// lookNow looks at a check's slot of this instant.
func lookNow(ctx context.Context, l *Looker, c *Check) (Result, *Evidence) {
	return l.Look(ctx, c, time.Now().UnixMilli())
}

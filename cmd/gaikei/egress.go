package main

import (
	"net/netip"

	"github.com/spf13/pflag"

	"github.com/gaikei/gaikei/probe"
)

// egressFlags say where the probers of a process may connect to.
type egressFlags struct{ allow, deny []string }

func (e *egressFlags) add(f *pflag.FlagSet) {
	f.StringSliceVar(&e.allow, "egress-allow", nil, "`networks` that probes may connect to, and no others; link-local and cloud metadata addresses only if they are named (default: all but those)")
	f.StringSliceVar(&e.deny, "egress-deny", nil, "`networks` that probes may not connect to, whatever is allowed")
}

// policy makes the policy that the flags describe.
func (e *egressFlags) policy() (*probe.Egress, error) {
	p, err := probe.NewEgress(e.allow, e.deny)
	if err != nil {
		return nil, usage("for example --egress-deny 10.0.0.0/8,192.168.0.0/16", "the egress policy: %w", err)
	}
	return p, nil
}

// tellDenied warns of controls that can never vouch, because this prober may not connect to them. Names are judged
// when they are resolved.
func (s *station) tellDenied(o order) {
	for _, k := range o.controls.Targets {
		ip, err := netip.ParseAddr(k.Target().Host)
		if err != nil {
			continue
		}
		if err := s.opts.egress.Check(ip); err != nil {
			s.log.Warn("a control cannot vouch for anything here", "region", o.region, "control", k.Target().Text, "error", err)
		}
	}
}

package probe

import (
	"fmt"
	"slices"
	"strings"
)

// controlHint is the line that a configuration lacks.
const controlHint = `add under controls.targets: - {http: {url: "https://www.example.com/"}}, with a site that you trust to be up`

// ValidateControls reports every fault of the controls themselves, and of what the checks need of them. Disabled
// checks count: enabling one must not make a configuration wrong. Fields are relative to `controls`.
func ValidateControls(o ControlOptions, checks []*Check) []Problem {
	switch {
	case o.None && len(o.Targets) > 0:
		return []Problem{{Message: "none and targets contradict each other"}}
	case o.None:
		return validateNone(checks)
	case len(o.Targets) == 0:
		return []Problem{{
			Field: "targets", Message: "nothing shows whether a region's own network is alive: want targets, preset: root-dns, or none",
			Hint: "controls: {preset: root-dns}",
		}}
	case o.Quorum < 0:
		return []Problem{{Field: "quorum", Message: fmt.Sprintf("got %d, want at least 1", o.Quorum)}}
	}
	return append(validateFamilies(o, checks), validateNames(o, checks)...)
}

// validateNone refuses what nobody could ever prove.
func validateNone(checks []*Check) []Problem {
	var ps []Problem
	for _, c := range checks {
		if len(c.Expect.Unreachable) > 0 {
			ps = append(ps, Problem{
				Message: fmt.Sprintf("none, but check %q expects its target unreachable: a prober with no network would certify every firewall", c.Name),
				Hint:    "controls: {preset: root-dns}",
			})
		}
	}
	return ps
}

func validateFamilies(o ControlOptions, checks []*Check) []Problem {
	var ps []Problem
	for _, f := range []Family{IPv4, IPv6} {
		hosts := hostsOf(controlsOf(o.Targets, f))
		user := firstCheck(checks, func(t Target) bool { return slices.Contains(t.Families, f) })
		switch {
		case user != nil && hosts == 0:
			ps = append(ps, Problem{
				Field:   "targets",
				Message: fmt.Sprintf("no control is over IPv%d, which check %q uses: its failures could never be told from ours", f, user.Name),
				Hint:    fmt.Sprintf(`add a control with ip: %d, or say ip: %d for the check`, f, 10-f),
			})
		case user != nil && o.Quorum > hosts:
			ps = append(ps, Problem{
				Field:   "quorum",
				Message: fmt.Sprintf("got %d, but the controls over IPv%d are on %d hosts", o.Quorum, f, hosts),
				Hint:    "leave quorum out: two, or as many as there are, is the default",
			})
		}
	}
	return ps
}

func validateNames(o ControlOptions, checks []*Check) []Problem {
	named := func(t Target) bool { return t.Name }
	user := firstCheck(checks, named)
	if user == nil || slices.ContainsFunc(o.Targets, func(k Kind) bool { return k.Target().Name }) {
		return nil
	}
	return []Problem{{
		Field:   "targets",
		Message: fmt.Sprintf("check %q has a name to resolve, but no control has: nothing could show that the resolver works", user.Name),
		Hint:    controlHint,
	}}
}

// LintControls warns of what is allowed and yet leaves failures of some checks without a voucher, unless other
// checks happen to vouch. Fields are relative to `controls`.
func LintControls(o ControlOptions, checks []*Check) []Problem {
	if o.None {
		return nil
	}
	var ps []Problem
	for _, c := range checks {
		ps = append(ps, lintOne(o, c)...)
	}
	return ps
}

func lintOne(o ControlOptions, c *Check) []Problem {
	var ps []Problem
	t := c.Kind.Target()
	for _, f := range t.Families {
		list := controlsOf(o.Targets, f)
		others := slices.DeleteFunc(slices.Clone(list), func(k *control) bool {
			return strings.EqualFold(k.target.Host, t.Host) || k.target.Via != t.Via
		})
		switch hosts := hostsOf(others); {
		case len(list) == 0 || hosts >= quorumOf(o.Quorum, hostsOf(list)):
		case t.Via != "":
			ps = append(ps, Problem{
				Field:   "targets",
				Message: fmt.Sprintf("check %q goes through the proxy %s, as controls on %d other hosts do, which is no quorum: nothing else shows that it is not the proxy that fails", c.Name, t.Via, hosts),
				Hint:    "add controls that are http with the same proxy",
			})
		default:
			ps = append(ps, Problem{
				Field:   "targets",
				Message: fmt.Sprintf("check %q is on the host of a control, which cannot vouch for itself: %d other hosts over IPv%d are no quorum", c.Name, hosts, f),
				Hint:    controlHint,
			})
		}
	}
	foreign := func(k Kind) bool {
		ct := k.Target()
		return ct.Name && registrable(ct.Host) != registrable(t.Host)
	}
	if t.Name && !slices.ContainsFunc(o.Targets, foreign) {
		ps = append(ps, Problem{
			Field:   "targets",
			Message: fmt.Sprintf("every named control is under %s, as check %q is: a failure to resolve it will be inconclusive", registrable(t.Host), c.Name),
			Hint:    controlHint,
		})
	}
	return ps
}

func controlsOf(targets []Kind, f Family) []*control {
	var list []*control
	for _, k := range targets {
		if t := k.Target(); t.family() == f {
			list = append(list, &control{kind: k, target: t})
		}
	}
	return list
}

func firstCheck(checks []*Check, f func(Target) bool) *Check {
	for _, c := range checks {
		if f(c.Kind.Target()) {
			return c
		}
	}
	return nil
}

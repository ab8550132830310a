package probe

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestValidateControls gives, for each configuration, the fields and messages of its faults.
func TestValidateControls(t *testing.T) {
	kind := func(t Target) Kind { return &fake{target: t} }
	check := func(name string, t Target) *Check { return &Check{Name: name, Kind: kind(t)} }
	closed := func(name string, t Target) *Check {
		c := check(name, t)
		c.Expect = Expect{Unreachable: []string{"tokyo"}}
		return c
	}
	both := Target{Host: "203.0.113.9", Families: []Family{IPv4, IPv6}}
	v4a, v4b, v6a := kind(host("192.0.2.1")), kind(host("192.0.2.2")), kind(host("2001:db8::1"))
	site := kind(named("www.example.org"))

	rows := []struct {
		name   string
		o      ControlOptions
		checks []*Check
		want   []string
	}{
		{"sound", ControlOptions{Targets: []Kind{v4a, v4b, site}}, []*Check{check("a", host("203.0.113.1")), check("b", named("shop.example.com"))}, nil},
		{"nothing said", ControlOptions{}, nil, []string{"targets: nothing shows whether a region's own network is alive: want targets, preset: root-dns, or none"}},
		{"none", ControlOptions{None: true}, []*Check{check("a", host("203.0.113.1"))}, nil},
		{"none and targets", ControlOptions{None: true, Targets: []Kind{v4a}}, nil, []string{": none and targets contradict each other"}},
		{
			"none, and something to certify",
			ControlOptions{None: true},
			[]*Check{check("a", host("203.0.113.1")), closed("b", host("203.0.113.1"))},
			[]string{`: none, but check "b" expects its target unreachable: a prober with no network would certify every firewall`},
		},
		{"a negative quorum", ControlOptions{Targets: []Kind{v4a}, Quorum: -1}, nil, []string{"quorum: got -1, want at least 1"}},
		{
			"a family without controls",
			ControlOptions{Targets: []Kind{v4a}},
			[]*Check{check("a", host("203.0.113.1")), check("b", both)},
			[]string{`targets: no control is over IPv6, which check "b" uses: its failures could never be told from ours`},
		},
		{"a family that nobody uses", ControlOptions{Targets: []Kind{v4a, v6a}}, []*Check{check("a", host("203.0.113.1"))}, nil},
		{
			"a quorum that is never met",
			ControlOptions{Targets: []Kind{v4a, v4b, v4a}, Quorum: 3},
			[]*Check{check("a", host("203.0.113.1"))},
			[]string{"quorum: got 3, but the controls over IPv4 are on 2 hosts"},
		},
		{
			"a name without a named control",
			ControlOptions{Targets: []Kind{v4a}},
			[]*Check{check("a", host("203.0.113.1")), check("b", named("shop.example.com"))},
			[]string{`targets: check "b" has a name to resolve, but no control has: nothing could show that the resolver works`},
		},
		{
			"all at once",
			ControlOptions{Targets: []Kind{v4a}, Quorum: 2},
			[]*Check{check("a", both), check("b", named("shop.example.com"))},
			[]string{
				"quorum: got 2, but the controls over IPv4 are on 1 hosts",
				`targets: no control is over IPv6, which check "a" uses: its failures could never be told from ours`,
				`targets: check "b" has a name to resolve, but no control has: nothing could show that the resolver works`,
			},
		},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			if diff := cmp.Diff(r.want, problemTexts(ValidateControls(r.o, r.checks))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLintControls(t *testing.T) {
	kind := func(t Target) Kind { return &fake{target: t} }
	o := ControlOptions{Targets: []Kind{kind(host("192.0.2.1")), kind(named("www.example.com"))}}
	checks := []*Check{
		{Name: "sound", Kind: kind(named("www.example.org"))},
		{Name: "sibling", Kind: kind(named("shop.example.com"))},
		{Name: "same", Kind: kind(host("192.0.2.1"))},
	}
	want := []string{
		`targets: every named control is under example.com, as check "sibling" is: a failure to resolve it will be inconclusive`,
		`targets: check "same" is on the host of a control, which cannot vouch for itself: 1 other hosts over IPv4 are no quorum`,
	}
	if diff := cmp.Diff(want, problemTexts(LintControls(o, checks))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	proxied := func(address string) Kind {
		return kind(Target{Host: address, Families: []Family{IPv4}, Via: "proxy.example:80"})
	}
	checks = []*Check{{Name: "through", Kind: proxied("192.0.2.9")}}
	o.Targets = append(o.Targets, proxied("192.0.2.3"))
	want = []string{`targets: check "through" goes through the proxy proxy.example:80, as controls on 1 other hosts do, which is no quorum: nothing else shows that it is not the proxy that fails`}
	if diff := cmp.Diff(want, problemTexts(LintControls(o, checks))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	o.Targets = append(o.Targets, proxied("192.0.2.4"))
	if ps := LintControls(o, checks); ps != nil {
		t.Errorf("enough controls through the proxy: %v", ps)
	}
	if ps := LintControls(ControlOptions{None: true}, checks); ps != nil {
		t.Errorf("none: %v", ps)
	}
}

func problemTexts(ps []Problem) []string {
	var texts []string
	for _, p := range ps {
		texts = append(texts, p.Field+": "+p.Message)
	}
	return texts
}

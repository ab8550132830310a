package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGroups: where a group is named all of its checks are meant, each once, sub-checks among them.
func TestGroups(t *testing.T) {
	f := mustParse(t, `regions: {a: {}}
controls: none
checks:
  - {name: shop, groups: [checkout], tcp: {address: "192.0.2.1:80"}}
  - {name: payment, groups: [checkout, partners], tcp: {address: "pay.example.com:443", ip: both}}
  - {name: bank, groups: partners, tcp: {address: "192.0.2.2:443"}}
  - {name: blog, tcp: {address: "192.0.2.3:443"}}
maintenance:
  - {name: one, checks: [blog, checkout], cron: "0 3 * * *", for: 1h}
slos:
  - {name: s, checks: [partners, checkout], check_weights: {checkout: 2, payment: 3, payment.ipv6: 4, partners: 2, bank: 5},
     indicator: availability, objective: 99%, window: 7d}
`)
	for _, c := range []struct {
		what      string
		want, got any
	}{
		{"maintenance", []string{"blog", "shop", "payment.ipv4", "payment.ipv6"}, f.Maintenance[0].Checks},
		{"checks of the SLO", []string{"payment.ipv4", "payment.ipv6", "bank", "shop"}, f.SLOs[0].Checks},
		{"weights", map[string]float64{"shop": 2, "payment.ipv4": 3, "payment.ipv6": 4, "bank": 5}, f.SLOs[0].CheckWeights},
		{"groups of a sub-check", []string{"checkout", "partners"}, f.Check("payment.ipv4").Groups},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
	}
	for _, p := range f.Planner().Plan("a", 1).Checks {
		if strings.Contains(string(p.Block), "groups") {
			t.Errorf("%s: probers are told of groups:\n%s", p.ID, p.Block)
		}
	}
	if diff := cmp.Diff(f, mustParse(t, string(f.Show())), cmp.Comparer(func(a, b *File) bool { return string(a.Show()) == string(b.Show()) })); diff != "" {
		t.Errorf("what is shown reads as something else (-want +got):\n%s", diff)
	}
}

package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
)

// TestSubChecks: what stands for several becomes several, in place, each with a name, an id, a target and a label.
func TestSubChecks(t *testing.T) {
	f, err := Load("testdata/good-sub-checks.yaml", Options{Now: now()})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range f.Checks {
		got = append(got, fmt.Sprintf("%s = %s: %s %v, part of %q", c.ID, c.Name, c.Kind.Target().Text, c.Kind.Target().Families, c.Labels[probe.PartOf]))
	}
	want := []string{
		`shop.ipv4 = shop.ipv4: http://shop.example.com/ [4], part of "shop"`,
		`shop.ipv6 = shop.ipv6: http://shop.example.com/ [6], part of "shop"`,
		`m1.ipv4 = mail.ipv4: tcp://mail.example.com:25 [4], part of "m1"`,
		`m1.ipv6 = mail.ipv6: tcp://mail.example.com:25 [6], part of "m1"`,
		`zone.ns1.example.com = zone.ns1.example.com: dns://ns1.example.com/example.com?type=SOA [4], part of "zone"`,
		`zone.192.0.2.53-5353 = zone.192.0.2.53-5353: dns://192.0.2.53:5353/example.com?type=SOA [4], part of "zone"`,
		`zone.2001-db8--1 = zone.2001-db8--1: dns://[2001:db8::1]:53/example.com?type=SOA [6], part of "zone"`,
		`both-of-both.ns1.example.com.ipv4 = both-of-both.ns1.example.com.ipv4: dns://ns1.example.com/example.com?type=A [4], part of "both-of-both"`,
		`both-of-both.ns1.example.com.ipv6 = both-of-both.ns1.example.com.ipv6: dns://ns1.example.com/example.com?type=A [6], part of "both-of-both"`,
		`both-of-both.system.ipv4 = both-of-both.system.ipv4: dns://system/example.com?type=A [4], part of "both-of-both"`,
		`both-of-both.system.ipv6 = both-of-both.system.ipv6: dns://system/example.com?type=A [6], part of "both-of-both"`,
		`plain = plain: tcp://192.0.2.1:80 [4], part of ""`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
	if got := f.Checks[0].Labels["team"]; got != "web" {
		t.Errorf("label team of a sub-check: got %q, want that of the check, web", got)
	}
	if diff := cmp.Diff([]string{"shop.ipv4", "shop.ipv6", "m1.ipv4", "plain"}, f.Maintenance[0].Checks); diff != "" {
		t.Errorf("checks of the maintenance (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"zone.ns1.example.com", "zone.192.0.2.53-5353", "zone.2001-db8--1", "m1.ipv4", "m1.ipv6"}, f.SLOs[0].Checks); diff != "" {
		t.Errorf("checks of the SLO (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]float64{"zone.ns1.example.com": 2, "zone.192.0.2.53-5353": 5, "zone.2001-db8--1": 2}, f.SLOs[0].CheckWeights); diff != "" {
		t.Errorf("weights of the SLO (-want +got):\n%s", diff)
	}
}

// TestSubChecksOfShown: the name of what stood for several means the same in the configuration that is shown, where it is gone.
func TestSubChecksOfShown(t *testing.T) {
	f, err := Load("testdata/good-sub-checks.yaml", Options{Now: now()})
	if err != nil {
		t.Fatal(err)
	}
	text := string(f.Show()) + "# again\n"
	again := mustParse(t, strings.Replace(text, "maintenance:\n", "maintenance:\n  - {name: whole, checks: [shop], cron: '0 3 * * *', for: 1h}\n", 1))
	if diff := cmp.Diff([]string{"shop.ipv4", "shop.ipv6"}, again.Maintenance[0].Checks); diff != "" {
		t.Errorf("checks of the maintenance (-want +got):\n%s", diff)
	}
}

// TestSubChecksAcrossReloads: one more server leaves the others as they were, and a check that becomes two is no longer there.
func TestSubChecksAcrossReloads(t *testing.T) {
	const text = `regions: {a: {}, b: {}}
controls: {preset: root-dns}
checks:
  - {name: zone, dns: {servers: [ns1.example.com, ns2.example.com], name: example.com}}
  - {name: shop, tcp: {address: "shop.example.com:80"}}
`
	old := mustParse(t, text)
	next := mustParse(t, strings.NewReplacer("ns2.example.com]", "ns2.example.com, ns3.example.com]", `:80"`, `:80", ip: both`).Replace(text))
	for id, want := range map[string]bool{
		"zone.ns1.example.com": false, "zone.ns2.example.com": false, "zone.ns3.example.com": true, "shop": true, "shop.ipv4": true,
	} {
		if got := Changed(old.Check(id), next.Check(id)); got != want {
			t.Errorf("%s: Changed = %v, want %v", id, got, want)
		}
	}
}

// TestDefaultOfBoth: the defaults can make two checks of every one with a name.
func TestDefaultOfBoth(t *testing.T) {
	f := mustParse(t, strings.Replace(strings.Replace(changeable, "192.0.2.1", "shop.example.com", 1), "interval: 30s", "interval: 30s, ip: both", 1))
	if len(f.Checks) != 2 || f.Check("x.ipv4") == nil || f.Check("x.ipv6") == nil {
		t.Errorf("checks: got %d, want x.ipv4 and x.ipv6", len(f.Checks))
	}
}

// TestOneCheckTravels: a block from elsewhere stands for one check.
func TestOneCheckTravels(t *testing.T) {
	for _, block := range []string{
		"name: x\ntcp: {address: 'shop.example.com:80', ip: both}\n",
		"name: x\ndns: {servers: [192.0.2.1], name: example.com}\n",
	} {
		if _, err := ParseCheck("plan", []byte(block)); err == nil || !strings.Contains(err.Error(), "wanted one target") {
			t.Errorf("%s: got %v, want that there is more than one check in one", block, err)
		}
	}
}

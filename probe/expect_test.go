package probe

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExpectText(t *testing.T) {
	for text, want := range map[string]Expect{"reachable": {}, "unreachable": {Unreachable: []string{"all"}}} {
		got := Expect{Unreachable: []string{"tokyo"}, By: []Reason{Refused}}
		if err := got.UnmarshalText([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	const want = `expect "down": want reachable, unreachable, or {unreachable: all or regions, by: reasons}`
	if diff := cmp.Diff(want, new(Expect).UnmarshalText([]byte("down")).Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestExpectIn(t *testing.T) {
	by := []Reason{Timeout, Refused}
	rows := []struct {
		name   string
		e      Expect
		region string
		want   Expectation
		text   string
	}{
		{"by default", Expect{}, "tokyo", Expectation{}, "reachable"},
		{"from everywhere", Expect{Unreachable: []string{"all"}}, "tokyo", Expectation{Unreachable: true}, "unreachable"},
		{"from here", Expect{Unreachable: []string{"tokyo"}, By: by}, "tokyo", Expectation{Unreachable: true, By: SetOf(Refused, Timeout)}, "unreachable by refused, timeout"},
		{"from elsewhere", Expect{Unreachable: []string{"tokyo"}, By: by}, "office", Expectation{}, "reachable"},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			got := r.e.In(r.region)
			if diff := cmp.Diff(r.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(r.text, got.String()); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
		})
	}
}

func TestExpectString(t *testing.T) {
	for want, e := range map[string]Expect{
		"reachable":              {},
		"unreachable":            {Unreachable: []string{"all"}},
		"unreachable from a, b":  {Unreachable: []string{"a", "b"}},
		"unreachable by timeout": {Unreachable: []string{"all"}, By: []Reason{Timeout}},
		"unreachable from a by dns_nxdomain, reset": {Unreachable: []string{"a"}, By: []Reason{DNSNXDomain, Reset}},
	} {
		if got := e.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestExpectValidate(t *testing.T) {
	regions := []string{"tokyo", "office"}
	rows := []struct {
		name string
		e    Expect
		want []Problem
	}{
		{"nothing", Expect{}, nil},
		{"all by path", Expect{Unreachable: []string{"all"}, By: []Reason{Refused, DNSNXDomain, Reset}}, nil},
		{"two regions", Expect{Unreachable: []string{"tokyo", "office"}}, nil},
		{"by without regions", Expect{By: []Reason{Refused}}, []Problem{{
			"by", "by says how a target may be unreachable, but it is expected reachable from everywhere", "name the regions: unreachable: all",
		}}},
		{"several faults at once", Expect{Unreachable: []string{"all", "tokio", "tokio"}, By: []Reason{Status, Refused, Refused}}, []Problem{
			{"unreachable", "all stands for every region and cannot be mixed with names", ""},
			{"unreachable", `no region is called "tokio"`, "the regions are tokyo, office"},
			{"unreachable", `no region is called "tokio"`, "the regions are tokyo, office"},
			{"unreachable", `"tokio" is named twice`, ""},
			{"by", notUnreachable("status"), ""},
			{"by", `"refused" is named twice`, ""},
		}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			if diff := cmp.Diff(r.want, r.e.Validate(regions)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestReasonSet(t *testing.T) {
	s := SetOf(Reset, Refused, Reset)
	if diff := cmp.Diff([]Reason{Refused, Reset}, s.Reasons()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, r := range Reasons() {
		if got, want := s.Has(r), r == Refused || r == Reset; got != want {
			t.Errorf("has %v: %v", r, got)
		}
	}
}

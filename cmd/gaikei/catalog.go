package main

import (
	"strings"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli/web"
)

// catalog lists the checks of the configuration in force, for the page and the API.
func (c *centre) catalog() []web.Check {
	s := c.state.Load()
	if s == nil {
		return nil
	}
	list := make([]web.Check, 0, len(s.file.Checks))
	for _, chk := range s.file.Checks {
		w := web.Check{
			ID: chk.ID, Name: chk.Name, Kind: kindName(chk.Kind), Target: chk.Kind.Target().Text,
			Interval: chk.Interval, Timeout: chk.Timeout, Under: chk.Latency.Under,
			Labels: chk.Labels, Groups: chk.Groups, Enabled: chk.Enabled, Expect: map[string]string{},
		}
		for _, region := range s.regions {
			w.Regions = append(w.Regions, region)
			w.Expect[region] = expectText(chk.Expect.In(region))
		}
		list = append(list, w)
	}
	return list
}

// shown is the configuration in force as it may be shown.
func (c *centre) shown() string {
	if s := c.state.Load(); s != nil {
		return string(s.file.Show())
	}
	return ""
}

// kindName is the key of a kind in the configuration.
func kindName(k probe.Kind) string {
	switch k.(type) {
	case *probe.HTTP:
		return "http"
	case *probe.TCP:
		return "tcp"
	case *probe.DNS:
		return "dns"
	}
	return "unknown"
}

// expectText says in words what is expected.
func expectText(e probe.Expectation) string {
	if !e.Unreachable {
		return "reachable"
	}
	var ways []string
	for _, r := range probe.Reasons() {
		if e.By.Has(r) {
			ways = append(ways, r.String())
		}
	}
	if len(ways) == 0 {
		return "unreachable"
	}
	return "unreachable by " + strings.Join(ways, ", ")
}

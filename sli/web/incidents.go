package web

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// An incidentItem is an incident, and where the evidence is that is kept of it.
type incidentItem struct {
	sli.Incident
	Regions []incidentRegionItem `json:"regions"`
}

// An incidentRegionItem is what a region saw of an incident.
type incidentRegionItem struct {
	sli.IncidentRegion
	Href *string `json:"evidence_href"` // null: none is kept
}

func (s *server) apiIncidents(r *http.Request, v url.Values) (any, error) {
	quorum, err := quorumOf(v)
	if err != nil {
		return nil, err
	}
	order, err := orderOf(v)
	if err != nil {
		return nil, err
	}
	p, q, err := s.page(r, v, 3)
	if err != nil {
		return nil, err
	}
	if err := s.chosen(r.Context(), &q.Checks, q.Regions); err != nil {
		return nil, err
	}
	all, err := s.Analyst.Incidents(r.Context(), q, quorum)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(all, func(a, b sli.Incident) int { return order(keyOfIncident(&a), keyOfIncident(&b)) })
	return incidentPage(all, p, order)
}

// An incidentKey tells incidents of one question apart.
type incidentKey struct {
	check, kind string
	from        int64 // Unix ms
}

func keyOfIncident(x *sli.Incident) incidentKey {
	return incidentKey{x.Check, x.Kind, x.From.UnixMilli()}
}

// The orders of incidents.
const (
	orderCheck  = "check"
	orderNewest = "newest"
)

// orderOf reads in which order incidents are wanted.
func orderOf(v url.Values) (func(a, b incidentKey) int, error) {
	byCheck := func(a, b incidentKey) int {
		return cmp.Or(cmp.Compare(a.check, b.check), cmp.Compare(a.from, b.from), cmp.Compare(a.kind, b.kind))
	}
	switch order := v.Get("order"); order {
	case "", orderCheck:
		return byCheck, nil
	case orderNewest:
		return func(a, b incidentKey) int { return cmp.Or(cmp.Compare(b.from, a.from), byCheck(a, b)) }, nil
	default:
		p := badParameter("order", order, "unknown")
		p.Want = orderCheck + " or " + orderNewest
		return nil, p
	}
}

// incidentPage cuts a page out of sorted incidents.
func incidentPage(all []sli.Incident, p page, order func(a, b incidentKey) int) (any, error) {
	if len(all) > 0 {
		if err := p.check(all[0].AsOf); err != nil {
			return nil, err
		}
	}
	if p.after != nil {
		from, err := strconv.ParseInt(p.after[2], 10, 64)
		if err != nil {
			return nil, badParameter("next", p.after[2], "not a cursor of this list")
		}
		last := incidentKey{p.after[0], p.after[1], from}
		all = slices.DeleteFunc(all, func(x sli.Incident) bool { return order(keyOfIncident(&x), last) <= 0 })
	}
	out := list[incidentItem]{Items: []incidentItem{}}
	for i := range all {
		if p.limit > 0 && i == p.limit {
			last := keyOfIncident(&all[i-1])
			next, err := p.next(all[i-1].AsOf, last.check, last.kind, strconv.FormatInt(last.from, 10))
			out.Next = next
			return out, err
		}
		out.Items = append(out.Items, itemOfIncident(all[i]))
	}
	return out, nil
}

func itemOfIncident(x sli.Incident) incidentItem {
	it := incidentItem{Incident: x, Regions: []incidentRegionItem{}}
	for _, region := range x.Regions {
		if region.Evidence == nil {
			region.Evidence = []time.Time{}
		}
		r := incidentRegionItem{IncidentRegion: region}
		if n := len(region.Evidence); n > 0 {
			v := url.Values{
				"check": {x.Check}, "region": {region.Region}, "limit": {strconv.Itoa(mostEvidence)},
				"from": {region.Evidence[0].Format(time.RFC3339Nano)}, "to": {region.Evidence[n-1].Add(time.Millisecond).Format(time.RFC3339Nano)},
			}
			href := "/api/v1/evidence?" + v.Encode()
			r.Href = &href
		}
		it.Regions = append(it.Regions, r)
	}
	return it
}

// An evidenceItem is a piece of evidence and the region it is from.
type evidenceItem struct {
	Region string `json:"region"`
	probe.Evidence
}

// How many pieces of evidence are given.
const (
	usualEvidence = 10
	mostEvidence  = 50 // of a check in a region; more are not kept
)

func (s *server) apiEvidence(r *http.Request, v url.Values) (any, error) {
	n, err := limit(v, usualEvidence, mostEvidence)
	if err != nil {
		return nil, err
	}
	from, to, err := s.between(v)
	if err != nil {
		return nil, err
	}
	check := v.Get("check")
	if err := s.knownNames(r.Context(), []string{check}, v["region"]); err != nil {
		return nil, err
	}
	regions := v["region"]
	if len(regions) == 0 {
		if regions, err = s.regionsOf(r.Context(), check); err != nil {
			return nil, err
		}
	}
	items, err := s.evidence(r.Context(), check, regions)
	items = slices.DeleteFunc(items, func(e evidenceItem) bool { return e.Slot < from || e.Slot >= to })
	return listOf(items[:min(n, len(items))]), err
}

// between reads two instants in Unix ms; without them it is all time.
func (s *server) between(v url.Values) (from, to int64, err error) {
	from, to = 0, int64(1)<<62
	for name, at := range map[string]*int64{"from": &from, "to": &to} {
		if !v.Has(name) {
			continue
		}
		t, err := parseTime(v.Get(name), s.Now())
		if err != nil || t.IsZero() {
			p := badParameter(name, v.Get(name), "not an instant")
			p.Want = "RFC 3339 such as 2026-11-23T00:00:00Z, or relative to now such as -1h"
			return 0, 0, p
		}
		*at = t.UnixMilli()
	}
	return from, to, nil
}

// evidence returns what is kept over these regions, newest first.
func (s *server) evidence(ctx context.Context, check string, regions []string) ([]evidenceItem, error) {
	var items []evidenceItem
	for _, region := range regions {
		es, err := s.Source.Evidence(ctx, check, region, mostEvidence)
		if err != nil {
			return nil, err
		}
		for _, e := range es {
			items = append(items, evidenceItem{region, e})
		}
	}
	slices.SortStableFunc(items, func(a, b evidenceItem) int { return cmp.Compare(b.Slot, a.Slot) })
	return items, nil
}

package web

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
)

// allPages asks for all pages of a list.
func allPages[T any](t *testing.T, address string, between func()) (all []T, n int) {
	t.Helper()
	for next := ""; ; n++ {
		page := decode[list[T]](t, get(t, address+next))
		all = append(all, page.Items...)
		if page.Next == nil {
			return all, n + 1
		}
		next = "&next=" + url.QueryEscape(*page.Next)
		between()
	}
}

// Pages of one question are about the same window, whatever the time, and together are the list.
func TestPagesOfReports(t *testing.T) {
	t.Parallel()
	m, catalog := scene()
	s := serve(t, m, catalog)
	for _, query := range []string{"window=1h", "from=-40m&to=-10m&region=tokyo&region=office", "check=shop"} {
		for _, limit := range []int{1, 4, 28, 100} {
			m.now = noon
			want := decode[list[sli.Report]](t, get(t, s.URL+"/api/v1/sli?"+query)).Items
			got, n := allPages[sli.Report](t, fmt.Sprintf("%s/api/v1/sli?%s&limit=%d", s.URL, query, limit), func() { m.now = m.now.Add(time.Minute) })
			if d := cmp.Diff(want, got); d != "" || n != (len(want)+limit-1)/limit {
				t.Errorf("%s in %d pages of %d (-want +got):\n%s", query, n, limit, d)
			}
		}
	}
	m.now = noon
}

// scripted are the incidents that an Analyst has: three checks, one of which was bad and undecided from the same instant on.
func scripted() []sli.Incident {
	var xs []sli.Incident
	for _, check := range []string{"blog", "shop", "zone"} {
		for i := range 3 {
			xs = append(xs, sli.Incident{Check: check, Kind: sli.IncidentBad, From: noon.Add(time.Duration(i) * -time.Hour), AsOf: noon})
		}
	}
	return append(xs, sli.Incident{Check: "shop", Kind: sli.IncidentUndecided, From: noon, AsOf: noon})
}

type chronicle struct{ *oracle }

func (c chronicle) Incidents(context.Context, sli.Query, sli.Quorum) ([]sli.Incident, error) {
	return scripted(), nil
}

func TestPagesOfIncidents(t *testing.T) {
	t.Parallel()
	m, catalog := scene()
	s := serve(t, m, catalog, func(o *Options) { o.Analyst = chronicle{&oracle{}} })
	told := func(xs []sli.Incident) (out []string) {
		for _, x := range xs {
			out = append(out, fmt.Sprintf("%s %s %v", x.Check, x.Kind, noon.Sub(x.From).Hours()))
		}
		return out
	}
	for order, want := range map[string][]string{
		"check": {
			"blog bad 2", "blog bad 1", "blog bad 0", "shop bad 2", "shop bad 1", "shop bad 0", "shop undecided 0", "zone bad 2", "zone bad 1", "zone bad 0",
		},
		"newest": {
			"blog bad 0", "shop bad 0", "shop undecided 0", "zone bad 0", "blog bad 1", "shop bad 1", "zone bad 1", "blog bad 2", "shop bad 2", "zone bad 2",
		},
	} {
		for _, limit := range []int{1, 3, 10, 11} {
			got, n := allPages[sli.Incident](t, fmt.Sprintf("%s/api/v1/incidents?order=%s&limit=%d", s.URL, order, limit), func() {})
			if d := cmp.Diff(want, told(got)); d != "" || n != (len(want)+limit-1)/limit {
				t.Errorf("by %s in %d pages of %d (-want +got):\n%s", order, n, limit, d)
			}
		}
	}
	if got := decode[list[sli.Incident]](t, get(t, s.URL+"/api/v1/incidents")); len(got.Items) != len(scripted()) || got.Items[0].Check != "blog" {
		t.Errorf("without a limit: %d incidents, want all, by check", len(got.Items))
	}
}

// The link of an incident leads to the evidence of its slots and no other.
func TestIncidentsLeadToEvidence(t *testing.T) {
	m, catalog := scene()
	s := serve(t, m, catalog)
	slot := noon.Add(-14 * time.Minute)
	x := itemOfIncident(sli.Incident{Check: "shop", Regions: []sli.IncidentRegion{{Region: "frankfurt", Evidence: []time.Time{slot}}, {Region: "tokyo"}}})
	if x.Regions[1].Href != nil || x.Regions[0].Href == nil {
		t.Fatalf("links %v and %v, want one only where evidence is kept", x.Regions[0].Href, x.Regions[1].Href)
	}
	got := decode[list[evidenceItem]](t, get(t, s.URL+*x.Regions[0].Href)).Items
	if len(got) != 1 || got[0].Slot != slot.UnixMilli() || got[0].Region != "frankfurt" {
		t.Errorf("%s: got %+v, want the evidence of that slot alone", *x.Regions[0].Href, got)
	}
}

func TestCursorsAreRefused(t *testing.T) {
	m, catalog := scene()
	s := serve(t, m, catalog, func(o *Options) { o.Analyst = chronicle{&oracle{}} })
	first := func(path string) string { return *decode[list[any]](t, get(t, s.URL+path)).Next }
	reports, incidents := first("/api/v1/sli?window=1h&limit=2"), first("/api/v1/incidents?limit=2")
	early := func(text string) string {
		body, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		future := strings.Replace(string(body), fmt.Sprint(noon.UnixNano()), fmt.Sprint(noon.Add(time.Hour).UnixNano()), 1)
		return base64.RawURLEncoding.EncodeToString([]byte(future))
	}
	for what, x := range map[string]struct {
		path   string
		status int
		says   string
	}{
		"another limit":    {"/api/v1/sli?window=1h&limit=3&next=" + reports, 200, ""},
		"no limit":         {"/api/v1/sli?window=1h&next=" + reports, 200, ""},
		"another window":   {"/api/v1/sli?window=2h&next=" + reports, 400, "another question"},
		"another check":    {"/api/v1/sli?window=1h&check=shop&next=" + reports, 400, "another question"},
		"of incidents":     {"/api/v1/sli?window=1h&next=" + incidents, 400, "not a cursor of this list"},
		"another order":    {"/api/v1/incidents?order=newest&next=" + incidents, 400, "another question"},
		"no cursor":        {"/api/v1/sli?next=page2", 400, "not a cursor of this list"},
		"empty":            {"/api/v1/sli?next=", 400, "not a cursor of this list"},
		"of the future":    {"/api/v1/sli?window=1h&next=" + early(reports), 400, "to come"},
		"no page":          {"/api/v1/sli?limit=0", 400, "not a number in range"},
		"too large a page": {"/api/v1/sli?limit=10001", 400, "not a number in range"},
		"a bad order":      {"/api/v1/incidents?order=oldest", 400, "unknown"},
		"a bad instant":    {"/api/v1/evidence?check=shop&from=soon", 400, "not an instant"},
		"a bad as_of":      {"/api/v1/sli?as_of=soon", 400, "as_of: got"},
	} {
		if resp, body := ask(t, "GET", s.URL+x.path); resp.StatusCode != x.status || !strings.Contains(body, x.says) {
			t.Errorf("%s: got %d %.300s, want %d and %q", what, resp.StatusCode, body, x.status, x.says)
		}
	}
}

func TestAPageThatCannotGoOnSaysSo(t *testing.T) {
	p := page{after: []string{"shop", ""}, asOf: noon.UnixMilli()}
	if err := p.check(noon); err != nil {
		t.Errorf("at the same as_of: %v", err)
	}
	if err := p.check(noon.Add(-time.Minute)); err == nil || problemOf(err).Status != 410 {
		t.Errorf("at an earlier as_of: %v, want 410", err)
	}
}

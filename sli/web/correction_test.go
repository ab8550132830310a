package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
)

// errata is a Corrector in memory. A preview changes the first report alone.
type errata struct {
	*memory
	list  []sli.Correction
	asked sli.Query
}

func (e *errata) Corrections(_ context.Context, q sli.Query) ([]sli.Correction, error) {
	e.asked = q
	return e.list, nil
}

func (e *errata) Correct(_ context.Context, c sli.Correction) (sli.Correction, error) {
	if c.ID == "taken" {
		return c, fmt.Errorf("%w: it is taken", ErrRefused)
	}
	c.ID, c.Created = "c1", noon
	e.list = append(e.list, c)
	return c, nil
}

func (e *errata) Revoke(_ context.Context, id string, r sli.Revocation) (bool, error) {
	for i := range e.list {
		if e.list[i].ID == id && e.list[i].Revoked == nil {
			e.list[i].Revoked = &r
			return true, nil
		}
	}
	return false, nil
}

func (e *errata) Preview(ctx context.Context, _ sli.Correction, q sli.Query) ([]sli.Report, error) {
	rs, err := e.Reports(ctx, q)
	if len(rs) > 0 {
		rs[0].Slots.Bad += rs[0].Slots.Good
		rs[0].Slots.Good = 0
	}
	return rs, err
}

func TestCorrectionsAPI(t *testing.T) {
	m, catalog := scene()
	e := &errata{memory: m}
	h := NewHandler(Options{Source: m, Corrector: e, Catalog: func() []Check { return catalog }, Now: func() time.Time { return noon }})
	local := Local(h)
	body := func(more string) string {
		return `{"from":"2026-11-22T09:00:00Z","to":"2026-11-22T10:00:00Z","effect":"bad","category":"other","reason":"r","author":"kei"` + more + `}`
	}
	const path = "/api/v1/corrections"
	for _, x := range []struct {
		name               string
		on                 http.Handler
		method, path, body string
		status             int
		says               string
	}{
		{"by who may only read", h, "POST", path, body(`,"checks":["shop"]`), 403, "scope write"},
		{"made", local, "POST", path, body(`,"checks":["shop","shop"],"regions":["tokyo"]`), 200, `"id":"c1","checks":["shop"],"regions":["tokyo"]`},
		{"by label", local, "POST", path, body(`,"labels":{"team":"ops"}`), 200, `"checks":["admin-closed","admin-leaked"],"labels":{"team":"ops"}`},
		{"by a label that nobody has", local, "POST", path, body(`,"labels":{"team":"opps","x":"y"}`), 400, "no check of the configuration in force has the labels team=opps, x=y"},
		{"of a check that is not", local, "POST", path, body(`,"checks":["shopp"]`), 400, `did you mean \"shop\"?`},
		{"in a region that is not", local, "POST", path, body(`,"checks":["shop"],"regions":["kyoto"]`), 400, `there is no region \"kyoto\"`},
		{"invalid", local, "POST", path, `{"checks":["shop"]}`, 400, `effect is \"\", want exclude, bad or good`},
		{"of the asker's own time", local, "POST", path, body(`,"checks":["shop"],"created_at":"2020-01-01T00:00:00Z"`), 400, "not for the asker to say"},
		{"misspelt", local, "POST", path, body(`,"check":["shop"]`), 400, `unknown field \"check\"`},
		{"two at once", local, "POST", path, body(`,"checks":["shop"]`) + "{}", 400, "more than one value"},
		{"with an id that is taken", local, "POST", path, body(`,"checks":["shop"],"id":"taken"`), 400, "it is taken"},
		{"list", h, "GET", path, "", 200, `"id":"c1"`},
		{"list with a typo", h, "GET", path + "?chek=shop", "", 400, `"nearest":"check"`},
		{"revoked without a reason", local, "POST", path + "/c1/revoke", `{"author":"kei"}`, 400, "reason is missing"},
		{"revoked by who may only read", h, "POST", path + "/c1/revoke", `{"author":"kei","reason":"r"}`, 403, "scope write"},
		{"revoked", local, "POST", path + "/c1/revoke", `{"author":"kei","reason":"r"}`, 200, `{"revoked":"c1"}`},
		{"what is not there", local, "POST", path + "/nope/revoke", `{"author":"kei","reason":"r"}`, 404, `no correction \"nope\" is in force`},
	} {
		t.Run(x.name, func(t *testing.T) {
			status, got := tryOn(t, x.on, x.method, x.path, x.body)
			if status != x.status || !strings.Contains(got, x.says) {
				t.Errorf("got %d %s, want %d and %s", status, got, x.status, x.says)
			}
		})
	}
	if !e.asked.From.Equal(time.Unix(0, 0)) || e.asked.Window != 0 {
		t.Errorf("a list without a window asks for %+v, want all time", e.asked)
	}
	made := len(e.list)
	status, got := tryOn(t, h, "POST", path+"/preview?window=1h", body(`,"checks":["shop"]`))
	var preview struct {
		Items []struct{ Now, Then sli.Report }
	}
	if err := json.Unmarshal([]byte(got), &preview); err != nil || status != 200 || len(preview.Items) != 1 || len(e.list) != made {
		t.Fatalf("preview: got %d, %d items, error %v, want one, and nothing made", status, len(preview.Items), err)
	}
	if d := cmp.Diff(preview.Items[0].Now.Slots.Good, preview.Items[0].Then.Slots.Bad-preview.Items[0].Now.Slots.Bad); d != "" {
		t.Errorf("(-now good +turned):\n%s", d)
	}
}

// A page of another origin cannot use the credentials that a browser has for this one.
func TestOtherOriginsChangeNothing(t *testing.T) {
	m, catalog := scene()
	e := &errata{memory: m}
	h := Local(NewHandler(Options{Source: m, Corrector: e, Catalog: func() []Check { return catalog }, Now: func() time.Time { return noon }}))
	const body = `{"checks":["shop"],"from":"2026-11-22T09:00:00Z","to":"2026-11-22T10:00:00Z","effect":"bad","category":"other","reason":"r","author":"kei"}`
	for _, x := range []struct {
		name, header, value string
		status              int
	}{
		{"no browser", "", "", 200},
		{"the same origin", "Origin", "http://example.com", 200},
		{"another origin", "Origin", "http://evil.example", 403},
		{"another site", "Sec-Fetch-Site", "cross-site", 403},
		{"the same site only", "Sec-Fetch-Site", "same-site", 403},
		{"this page", "Sec-Fetch-Site", "same-origin", 200},
	} {
		r := httptest.NewRequest(http.MethodPost, "/api/v1/corrections", strings.NewReader(body))
		if x.header != "" {
			r.Header.Set(x.header, x.value)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != x.status {
			t.Errorf("%s: got %d %s, want %d", x.name, w.Code, w.Body, x.status)
		}
	}
	if len(e.list) != 3 {
		t.Errorf("got %d corrections, want 3", len(e.list))
	}
}

package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// TestPartsAreMeant: where a check is named that stands for several, all of them are meant, in questions and corrections; what it
// was before it stood for several is meant too. So it is with groups, and who is meant twice is there once.
func TestPartsAreMeant(t *testing.T) {
	m, catalog := scene()
	for _, id := range []string{"mail.ipv4", "mail.ipv6", "shop.part"} {
		catalog = append(catalog, Check{ID: id, Name: id, Regions: []string{"tokyo"}, Labels: map[string]string{probe.PartOf: id[:4]}})
	}
	e := &errata{memory: m}
	h := Local(NewHandler(Options{Source: m, Corrector: e, Catalog: func() []Check { return catalog }, Now: func() time.Time { return noon }}))
	for name, want := range map[string][]string{
		"mail":                       {"mail.ipv4", "mail.ipv6"},
		"mail.ipv4":                  {"mail.ipv4"},
		"shop":                       {"shop"}, // which is a check itself
		"checkout":                   {"shop", "shop-images"},
		"shop-images&check=checkout": {"shop-images", "shop"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/corrections?check="+name, nil))
		if diff := cmp.Diff(want, e.asked.Checks); w.Code != http.StatusOK || diff != "" {
			t.Errorf("%s: status %d, checks asked for (-want +got):\n%s", name, w.Code, diff)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/v1/corrections", strings.NewReader(
		`{"checks":["mail"],"from":"2026-11-22T09:00:00Z","to":"2026-11-22T10:00:00Z","effect":"bad","category":"other","reason":"r","author":"kei"}`)))
	var stored sli.Correction
	if err := json.Unmarshal(w.Body.Bytes(), &stored); err != nil || w.Code != http.StatusOK {
		t.Fatalf("status %d, %v: %s", w.Code, err, w.Body)
	}
	if diff := cmp.Diff([]string{"mail.ipv4", "mail.ipv6"}, stored.Checks); diff != "" {
		t.Errorf("checks that are corrected (-want +got):\n%s", diff)
	}

	old := catalog[len(catalog)-3:]
	for i := range old {
		old[i].Labels = map[string]string{probe.PartOf: "shop"}
	}
	later := Local(NewHandler(Options{Source: m, Corrector: e, Catalog: func() []Check { return old }, Now: func() time.Time { return noon }}))
	w = httptest.NewRecorder()
	later.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/corrections?check=shop", nil))
	if diff := cmp.Diff([]string{"mail.ipv4", "mail.ipv6", "shop.part", "shop"}, e.asked.Checks); w.Code != http.StatusOK || diff != "" {
		t.Errorf("shop that is gone: status %d, checks asked for (-want +got):\n%s", w.Code, diff)
	}
}

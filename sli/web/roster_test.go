package web

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// book is a roster in memory.
type book struct {
	keys    []Enrollment
	present []Presence
}

func (b *book) Enrollments(context.Context) ([]Enrollment, error) { return b.keys, nil }

func (b *book) Enroll(_ context.Context, e Enrollment) error {
	if e.Key == "bad" {
		return fmt.Errorf("enroll: %w: the key is bad", ErrRefused)
	}
	b.keys = append(b.keys, e)
	return nil
}

func (b *book) Revoke(_ context.Context, key string) (bool, error) {
	for i := range b.keys {
		if b.keys[i].Key == key && b.keys[i].Revoked == nil {
			at := noon
			b.keys[i].Revoked = &at
			return true, nil
		}
	}
	return false, nil
}

func (b *book) Meeting() Meeting { return Meeting{URLs: []string{"nats://a:4222"}, CA: "PEM"} }

func (b *book) Present() []Presence { return b.present }

// tryOn sends a request as the local socket would, or as somebody who shows nothing.
func tryOn(t *testing.T, h http.Handler, method, path, body string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	return w.Code, w.Body.String()
}

func TestRoster(t *testing.T) {
	b := &book{}
	h := NewHandler(Options{Source: newMemory(), Roster: b, Now: func() time.Time { return noon }})
	local := Local(h)
	const shop = `{"key":"U1","region":"tokyo","prober":"p1"}`
	for _, x := range []struct {
		name         string
		h            http.Handler
		method, path string
		body         string
		code         int
		want         string
	}{
		{"to enroll takes scope write", h, "POST", "/api/v1/enrollments", shop, 403, "write"},
		{"to revoke takes scope write", h, "DELETE", "/api/v1/enrollments/U1", "", 403, "write"},
		{"enroll", local, "POST", "/api/v1/enrollments", shop, 200, `"prober":"p1"`},
		{"a bad key", local, "POST", "/api/v1/enrollments", `{"key":"bad","region":"tokyo","prober":"p1"}`, 400, "the key is bad"},
		{"no JSON", local, "POST", "/api/v1/enrollments", `key=U1`, 400, "cannot be read"},
		{"an unknown field", local, "POST", "/api/v1/enrollments", `{"key":"U1","regoin":"tokyo"}`, 400, "regoin"},
		{"everybody may look", h, "GET", "/api/v1/enrollments", "", 200, `"key":"U1","region":"tokyo","prober":"p1"`},
		{"where to connect", h, "GET", "/api/v1/transport", "", 200, `{"urls":["nats://a:4222"],"ca":"PEM"}`},
		{"revoke", local, "DELETE", "/api/v1/enrollments/U1", "", 200, `{"revoked":"U1"}`},
		{"revoke again", local, "DELETE", "/api/v1/enrollments/U1", "", 404, "no key"},
		{"what cannot be done", local, "PUT", "/api/v1/enrollments", "", 405, ""},
		{"nobody was heard", h, "GET", "/api/v1/presence", "", 200, `{"items":[],"next":null}`},
	} {
		code, body := tryOn(t, x.h, x.method, x.path, x.body)
		if code != x.code || !strings.Contains(body, x.want) {
			t.Errorf("%s: got %d %s, want %d and %q", x.name, code, body, x.code, x.want)
		}
	}
}

// Without a roster there is nothing of it.
func TestNoRoster(t *testing.T) {
	h := NewHandler(Options{Source: newMemory(), Now: func() time.Time { return noon }})
	for _, path := range []string{"/api/v1/presence", "/api/v1/transport", "/api/v1/enrollments"} {
		if code, _ := tryOn(t, h, "GET", path, ""); code != http.StatusNotFound {
			t.Errorf("%s: got %d, want 404", path, code)
		}
	}
	if _, body := tryOn(t, h, "GET", "/", ""); strings.Contains(body, "The probers") {
		t.Error("the page shows probers")
	}
}

func TestPresenceOnThePage(t *testing.T) {
	heard, ahead := noon.Add(-3*time.Second), 0.3
	b := &book{present: []Presence{
		{Region: "tokyo", Prober: "p1", State: ProberPresent, Heard: &heard, Revision: 7, Newest: 7},
		{Region: "tokyo", Prober: "<p2>", State: ProberPresent, Heard: &heard, Revision: 6, Newest: 7, QueuePending: 12, Refused: 2, ClockOffset: &ahead},
		{Region: "osaka", Prober: "p3", State: ProberNever},
	}}
	s := newServer(Options{Source: newMemory(), Roster: b})
	var got []string
	for _, r := range s.presenceRows(noon) {
		got = append(got, strings.Join([]string{r.Class, r.Heard, r.Plan, r.Queue, r.Clock}, "|"))
	}
	want := []string{"full|3 s ago|plan 7|0 queued|", "part|3 s ago|plan 6 of 7|12 queued|clock +0.300 s", "none|never|plan 0|0 queued|"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	h := NewHandler(Options{Source: newMemory(), Roster: b, Now: func() time.Time { return noon }})
	_, body := tryOn(t, h, "GET", "/", "")
	for _, want := range []string{"The probers", "&lt;p2&gt;", "2 checks not understood", "plan 6 of 7"} {
		if !strings.Contains(body, want) {
			t.Errorf("want %q on the page", want)
		}
	}
	if strings.Contains(body, "<p2>") {
		t.Error("a prober's name is not escaped")
	}
}

package probe

import (
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func res(exprs ...string) (all []*regexp.Regexp) {
	for _, e := range exprs {
		all = append(all, regexp.MustCompile(e))
	}
	return all
}

func TestHeader(t *testing.T) {
	base := web(t, func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h["Vary"] = []string{"Accept", "Accept-Encoding, Cookie"}
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Empty", "")
		h.Set("Set-Cookie", "session=hunter2")
		h.Set("Trailer", "X-Late")
		_, _ = io.WriteString(w, "ready")
		h.Set("X-Late", "1")
	})
	tests := []struct {
		name   string
		header string
		match  HeaderMatch
		holds  bool
	}{
		{"present", "Vary", HeaderMatch{}, true},
		{"present, in another spelling", "vARY", HeaderMatch{}, true},
		{"present and empty", "Empty", HeaderMatch{}, true},
		{"not present", "X-Gone", HeaderMatch{}, false},
		{"absent", "X-Gone", HeaderMatch{Absent: true}, true},
		{"not absent", "Empty", HeaderMatch{Absent: true}, false},
		{"equals one of the values", "Vary", HeaderMatch{Equals: "Accept"}, true},
		{"equals a part of a value", "Vary", HeaderMatch{Equals: "Cookie"}, false},
		{"values hold different wishes", "Vary", HeaderMatch{Contains: []string{"Cookie", "Accept"}, Regex: res("^Accept$", "Cookie$")}, true},
		{"one wish does not hold", "Vary", HeaderMatch{Regex: res("^Accept$", "Origin")}, false},
		{"contains", "Content-Type", HeaderMatch{Contains: []string{"charset=utf-8"}}, true},
		{"contains, in another spelling", "Content-Type", HeaderMatch{Contains: []string{"UTF-8"}}, false},
		{"a regex can ignore the spelling", "Content-Type", HeaderMatch{Regex: res("(?i)UTF-8$")}, true},
		{"no value contains", "Vary", HeaderMatch{NotContains: []string{"Origin"}}, true},
		{"a value contains", "Vary", HeaderMatch{NotContains: []string{"Cookie"}}, false},
		{"no value matches", "Vary", HeaderMatch{NotRegex: res("Origin", "^$")}, true},
		{"a value matches", "Vary", HeaderMatch{NotRegex: res("Cookie$")}, false},
		{"nothing that could match, and it should be there", "X-Gone", HeaderMatch{NotRegex: res("x")}, false},
		{"optional and not there", "X-Gone", HeaderMatch{Regex: res("x"), Optional: true}, true},
		{"optional and wrong", "Vary", HeaderMatch{Regex: res("x"), Optional: true}, false},
		{"a trailer is no header", "X-Late", HeaderMatch{}, false},
		{"sensitive", "Set-Cookie", HeaderMatch{Contains: []string{"session="}}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := look(t, &HTTP{URL: base, Header: map[string]HeaderMatch{tt.header: tt.match}})
			want := map[bool]Reason{true: ReasonNone, false: Header}[tt.holds]
			wantReason(t, &a, want)
			i := slices.IndexFunc(a.Detail.Assertions, func(o Observation) bool { return strings.HasPrefix(o.What, "header.") })
			if i < 0 {
				t.Fatalf("no assertion about a header in %v", a.Detail.Assertions)
			}
			o := a.Detail.Assertions[i]
			if o.Held != tt.holds || o.Want == "" || o.Got == "" || strings.Contains(o.Got, "hunter2") {
				t.Errorf("assertion: got %+v, want it to hold: %v", o, tt.holds)
			}
		})
	}
}

// TestHeaderOrder: what the target says first is why it failed.
func TestHeaderOrder(t *testing.T) {
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/500" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = io.WriteString(w, "ready")
	})
	gone := map[string]HeaderMatch{"X-Gone": {}}
	for _, tt := range []struct {
		name string
		http HTTP
		want Reason
	}{
		{"status before header", HTTP{URL: base + "/500", Header: gone}, Status},
		{"header before size", HTTP{URL: base, Header: gone, Body: BodyMatch{MaxSize: 1}}, Header},
		{"size before body", HTTP{URL: base, Body: BodyMatch{MinSize: 6, Contains: []string{"absent"}}}, TooSmall},
		{"as small as allowed", HTTP{URL: base, Body: BodyMatch{MinSize: 5}}, ReasonNone},
		{"no regex may match", HTTP{URL: base, Body: BodyMatch{NotRegex: res("^steady", "^ready$")}}, Body},
		{"no regex matches", HTTP{URL: base, Body: BodyMatch{Regex: res("^r", "y$"), NotRegex: res("^steady")}}, ReasonNone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := look(t, &tt.http)
			wantReason(t, &a, tt.want)
			broken := func(o Observation) bool { return !o.Held && o.Reason == tt.want }
			if tt.want != ReasonNone && !slices.ContainsFunc(a.Detail.Assertions, broken) {
				t.Errorf("no assertion says why: %v", a.Detail.Assertions)
			}
		})
	}
}

func TestAnnounced(t *testing.T) {
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("retry") {
			w.Header().Set("Retry-After", "3600")
		}
		w.WriteHeader(map[string]int{"/503": 503, "/500": 500, "/200": 200}[r.URL.Path])
	})
	retry := Announced{Header: map[string]HeaderMatch{"Retry-After": {Regex: res("^[0-9]+$")}}}
	for _, tt := range []struct {
		name, path string
		announced  *Announced
		want       Verdict
		is         bool
	}{
		{"announced", "/503?retry", &retry, Verdict{Outcome: Down, Reason: Status}, true},
		{"without the header", "/503", &retry, Verdict{Outcome: Down, Reason: Status}, false},
		{"with another status", "/500?retry", &retry, Verdict{Outcome: Down, Reason: Status}, false},
		{"with a status that was named", "/500?retry", &Announced{Status: []CodeRange{{500, 599}}, Header: retry.Header}, Verdict{Outcome: Down, Reason: Status}, true},
		{"a success is none", "/200?retry", &retry, Verdict{Outcome: Up}, false},
		{"not asked for", "/503?retry", nil, Verdict{Outcome: Down, Reason: Status}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := &HTTP{URL: base + tt.path, Announced: tt.announced}
			if ps := h.Validate(); ps != nil {
				t.Fatal(ps)
			}
			r, ev := NewLooker(nil, nil, "tokyo").Look(t.Context(), &Check{ID: "x", Timeout: patience(Status), Kind: h}, 0)
			if got := (Verdict{Outcome: r.Outcome, Reason: r.Reason}); got != tt.want || r.Announced != tt.is || ev.Announced != tt.is {
				t.Errorf("got %+v, announced: %v, and %v in the evidence; want %+v, announced: %v", got, r.Announced, ev.Announced, tt.want, tt.is)
			}
		})
	}
}

// TestTraceparent: every hop of an attempt is told the same trace and a span of its own, and all of it is kept.
func TestTraceparent(t *testing.T) {
	seen := make(chan string, 10)
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		seen <- strings.Join(r.Header["Traceparent"], ",")
		if r.URL.Path != "/end" {
			http.Redirect(w, r, "/end", http.StatusFound)
			return
		}
		w.WriteHeader(http.StatusTeapot)
	})
	form := regexp.MustCompile(`^00-([0-9a-f]{32})-([0-9a-f]{16})-01$`)
	traces := map[string]bool{}
	for range 2 {
		a := attempt(t, &HTTP{URL: base, Traceparent: true}, &World{}, patience(Status))
		wantReason(t, &a, Status)
		var spans []string
		for range 2 {
			m := form.FindStringSubmatch(<-seen)
			if m == nil || m[1] != a.Detail.TraceID || strings.Trim(m[1], "0") == "" {
				t.Fatalf("a traceparent is %q, want one of trace %s", m, a.Detail.TraceID)
			}
			spans = append(spans, m[2])
		}
		if diff := cmp.Diff(spans, a.Detail.SpanIDs); diff != "" || spans[0] == spans[1] {
			t.Errorf("spans, as sent -want +got, as kept:\n%s", diff)
		}
		traces[a.Detail.TraceID] = true
	}
	if len(traces) != 2 {
		t.Error("two attempts had the same trace")
	}
	a := look(t, &HTTP{URL: base})
	if first, second := <-seen, <-seen; first+second+a.Detail.TraceID != "" {
		t.Error("a traceparent was sent that nobody asked for")
	}
}

// TestHeadersShareSteps: what is matched without looking at the time is bounded for all headers of a check together.
func TestHeadersShareSteps(t *testing.T) {
	dear := HeaderMatch{Regex: res(`(a{1,900}){1}b`)}
	alone, ps := headerRules("header", map[string]HeaderMatch{"A": dear})
	if len(ps) > 0 || alone[0].steps == 0 {
		t.Fatalf("steps %d, faults %v", alone[0].steps, ps)
	}
	among, _ := headerRules("header", map[string]HeaderMatch{"A": dear, "B": {Equals: "x"}, "C": dear})
	for i, want := range []int{2 * alone[0].steps, 0, 2 * alone[0].steps} {
		if among[i].steps != want {
			t.Errorf("rule %d: %d steps, want %d", i, among[i].steps, want)
		}
	}
}

package probe

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
)

// TestBodyHasTwoReaders: a body that was matched as it streamed is still there for a second reader, up to what was
// asked for and no further.
func TestBodyHasTwoReaders(t *testing.T) {
	long := strings.Repeat("all work and no play ", 20_000) // over wholeBody
	tests := []struct {
		name  string
		body  string
		match BodyMatch
		keep  int
		want  int // bytes kept at least
		whole bool
	}{
		{"nobody asks", long, BodyMatch{}, 0, 0, false},
		{"short", "ready", BodyMatch{}, 0, 5, true},
		{"nothing", "", BodyMatch{}, 0, 0, true},
		{"whole, beside a regex", long, BodyMatch{Regex: regexp.MustCompile("play $")}, 1 << 20, len(long), true},
		{"whole, beside a text", long, BodyMatch{Contains: []string{"no play"}}, 1 << 20, len(long), true},
		{"exactly", long, BodyMatch{}, len(long), len(long), true},
		{"the beginning, beside a regex", long, BodyMatch{Regex: regexp.MustCompile("play $")}, 100_000, 100_000, false},
		{"the limit comes first", long, BodyMatch{MaxSize: 1000}, 1 << 20, 1000, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newBodyScan(&tt.match, iotest.HalfReader(strings.NewReader(tt.body)), -1)
			s.keep = tt.keep
			err := s.read()
			body, whole := s.kept()
			if whole != tt.whole || len(body) < tt.want || !strings.HasPrefix(tt.body, string(body)) {
				t.Errorf("kept -want +got:\n- %d bytes or more, whole: %v\n+ %d bytes, whole: %v", tt.want, tt.whole, len(body), whole)
			}
			if most := max(tt.keep, wholeBody) + 1024; cap(body) > most {
				t.Errorf("room for %d bytes was made, want at most %d", cap(body), most)
			}
			if err == nil && !s.held() {
				t.Error("the body did not match, want it to")
			}
		})
	}
}

// TestAttemptKeepsTheBody: what is to be kept is said once, after Validate.
func TestAttemptKeepsTheBody(t *testing.T) {
	long := strings.Repeat("all work and no play ", 20_000)
	base := web(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, long) })
	h := &HTTP{URL: base, Body: BodyMatch{Regex: regexp.MustCompile("^all work(.|\n)*play $")}}
	if ps := h.Validate(); ps != nil {
		t.Fatal(ps)
	}
	h.ready.keepBody = 1 << 20
	w := &World{}
	x := &exchange{h: h, t: begin(w, h.ready.host, h.IP), ctx: t.Context(), hide: &redactor{}}
	x.out, _ = h.compose(w, x.hide)
	x.follow()
	x.t.leave()
	x.judge()
	a := x.t.finish()
	wantReason(t, &a, ReasonNone)
	if body, whole := x.scan.kept(); string(body) != long || !whole {
		t.Errorf("kept %d bytes, whole: %v, want %d and all of them", len(body), whole, len(long))
	}
}

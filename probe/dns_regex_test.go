package probe

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// dearRegex costs thousands of steps for each byte.
func dearRegex() *regexp.Regexp {
	return regexp.MustCompile(strings.Repeat("([a-z0-9.]?){900}", 2) + "!")
}

// TestRecordMatchingEndsInTime: a regex that is dear, and a reply that was made for it, do not outlive the attempt. The reply is
// there, so it is what is not as wanted, also where nothing of the kind was to be in it.
func TestRecordMatchingEndsInTime(t *testing.T) {
	t.Parallel()
	d, ok := hostileRecords(t).(*DNS)
	if !ok {
		t.Fatal("the target is asked by another kind")
	}
	dear := []RecordMatch{{Regex: dearRegex()}}
	d.RRSIG, d.Answer, d.Authority = nil, AnswerMatch{Any: dear, None: dear}, AnswerMatch{None: Data("192.0.2.1")}
	a := attempt(t, d, &World{Verbose: true}, time.Second)
	wantReason(t, &a, Answer)
	got := map[string]bool{}
	for _, o := range a.Detail.Assertions {
		if late := strings.HasPrefix(o.Got, "not decided in time: "); late == o.Held {
			t.Errorf("%s: got %q, held: %v", o.What, o.Got, o.Held)
		}
		got[o.What] = o.Held
	}
	if len(got) != 4 || !got["rcode"] || !got["authority.none"] || got["answer.any"] || got["answer.none"] {
		t.Errorf("observed %v, want the code and the other section as they are, and the rest undecided", got)
	}
}

// TestRecordRegexDecides: what takes long, and is decided in time, is the same as what takes little.
func TestRecordRegexDecides(t *testing.T) {
	t.Parallel()
	d, ok := hostileRecords(t).(*DNS)
	if !ok {
		t.Fatal("the target is asked by another kind")
	}
	d.RRSIG = nil
	some, none := regexp.MustCompile(`(?i)([a-z0-9.]?){300}EXAMPLE`), regexp.MustCompile(`([a-z0-9.]?){9}example\.net`)
	d.Answer = AnswerMatch{Any: []RecordMatch{{Type: RRType(39), Regex: some}}, None: []RecordMatch{{Regex: none}}, All: []RecordMatch{{Regex: some}}}
	a := look(t, d)
	wantReason(t, &a, ReasonNone)
}

func TestValidateRecordRegex(t *testing.T) {
	for expr, want := range map[string]string{
		"":                                     "found an empty regex, which matches everything",
		"x":                                    "",
		strings.Repeat("([a-z0-9.]?){900}", 6): "found a regex that compiles to",
	} {
		d := &DNS{Server: "192.0.2.53", Name: "example", Answer: AnswerMatch{Any: []RecordMatch{{Type: 1, Regex: regexp.MustCompile(expr)}}}}
		ps := d.Validate()
		if (want == "") != (len(ps) == 0) || want != "" && (ps[0].Field != "answer.any[0].regex" || !strings.HasPrefix(ps[0].Message, want)) {
			t.Errorf("%.20q: found %+v, want %q", expr, ps, want)
		}
	}
}

// TestRecordsAreShownWhole: who asks for a time to live or a name is shown those that there are.
func TestRecordsAreShownWhole(t *testing.T) {
	t.Parallel()
	s := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
		respond(t, w, replyTo(t, q, 0, "www.example. 300 IN A 192.0.2.10"))
	})
	for want, m := range map[string]RecordMatch{
		"192.0.2.10":                        {Data: "192.0.2.11"},
		"www.example. 300 IN A 192.0.2.10":  {TTL: TTLRange{To: 60, Set: true}},
		"www.example. 300 IN A 192.0.2.10 ": {Name: "w.example"},
	} {
		a := look(t, &DNS{Server: s, Name: "www.example", Answer: AnswerMatch{All: []RecordMatch{m}}})
		wantReason(t, &a, Answer)
		if got := a.Detail.Assertions[1].Got; got != strings.TrimSpace(want) {
			t.Errorf("%s: got %q, want %q", m.String(), got, want)
		}
	}
}

// TestTruncatedIsSaidFirst: that a part of the answer is missing is told where long records are not cut off.
func TestTruncatedIsSaidFirst(t *testing.T) {
	t.Parallel()
	s := answering(t, func(w dns.ResponseWriter, q *dns.Msg) {
		m := replyTo(t, q, 0, `www.example. 300 IN TXT "`+strings.Repeat("x", 250)+`" "`+strings.Repeat("y", 250)+`"`)
		m.Truncated = true
		respond(t, w, m)
	})
	retry := false
	a := look(t, &DNS{Server: s, Name: "www.example", Type: RRType(dns.TypeTXT), RetryOverTCP: &retry, Answer: AnswerMatch{Exact: Data("x")}})
	wantReason(t, &a, Answer)
	if want := "answer.exact: found a part of the answer, which was truncated (use transport: tcp): "; !strings.HasPrefix(a.Detail.Error, want) {
		t.Errorf("the error is %q, want it to begin with %q", a.Detail.Error, want)
	}
}

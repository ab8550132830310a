package probe

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

func (m *AnswerMatch) wantsData() bool { return len(m.Any)+len(m.All) > 0 }

func (m *AnswerMatch) validate() []Problem {
	var ps []Problem
	for _, list := range []struct {
		field string
		texts []string
	}{{"answer.any", m.Any}, {"answer.all", m.All}, {"answer.none", m.None}} {
		if slices.Contains(list.texts, "") {
			ps = append(ps, Problem{Field: list.field, Message: "found an empty text, wanted the data of a record"})
		}
	}
	for _, s := range m.None {
		if slices.ContainsFunc(m.All, func(a string) bool { return sameData(a, s) }) {
			ps = append(ps, Problem{Field: "answer", Message: fmt.Sprintf("all and none both name %q", clip(s, 80))})
		}
	}
	return ps
}

// sameData compares two texts as they are configured.
func sameData(a, b string) bool { return normalData(a) == normalData(b) }

// normalData brings the data of a record into the form in which it is compared: addresses in their
// shortest spelling, names in lower case without root dots, single spaces.
func normalData(s string) string {
	if ip, err := netip.ParseAddr(strings.TrimSpace(s)); err == nil {
		return ip.String()
	}
	fields := strings.Fields(strings.ToLower(s))
	for i, f := range fields {
		if len(f) > 1 {
			fields[i] = strings.TrimSuffix(f, ".")
		}
	}
	return strings.Join(fields, " ")
}

// A datum is the data of one record of an answer.
type datum struct {
	shown string // for people
	text  string // to compare; of a TXT record its strings, joined
	exact bool
}

func dataOf(rrs []dns.RR) []datum {
	ds := make([]datum, 0, len(rrs))
	for _, rr := range rrs {
		shown := strings.TrimPrefix(rr.String(), rr.Header().String())
		if txt, ok := rr.(*dns.TXT); ok {
			ds = append(ds, datum{shown: shown, text: strings.Join(txt.Txt, ""), exact: true})
			continue
		}
		ds = append(ds, datum{shown: shown, text: normalData(shown)})
	}
	return ds
}

func (d datum) is(want string) bool {
	if d.exact {
		return want == d.text || want == d.shown
	}
	return normalData(want) == d.text
}

// judge notes the first of what did not hold, and the details if anybody wants them.
func (q *question) judge() {
	obs := q.observe()
	for _, o := range obs {
		if !o.Held {
			q.t.fail(o.Reason, fmt.Errorf("%s: found %s, wanted %s", o.What, o.Got, o.Want))
		}
	}
	q.t.hold(q.ctx, seen{reply: q.reply})
	if q.t.wanted() {
		q.t.a.Detail.Assertions = obs
		q.t.a.Detail.Message = clip(strings.ReplaceAll(q.reply.String(), "\t", " "), maxMessage)
	}
}

// observe compares the reply with what is wanted, the code first: with another code nothing else counts.
func (q *question) observe() []Observation {
	wanted := q.d.Rcode
	if len(wanted) == 0 {
		wanted = []ResponseCode{dns.RcodeSuccess}
	}
	got := ResponseCode(q.reply.Rcode & 0xf)
	obs := make([]Observation, 1, 4)
	obs[0] = Observation{What: "rcode", Want: list(wanted), Got: got.String(), Held: slices.Contains(wanted, got), Reason: Rcode}
	for _, f := range q.d.Flags {
		o := Observation{What: "flags", Want: f.String(), Got: "not set", Held: f.in(q.reply), Reason: Flags}
		if o.Held {
			o.Got = "set"
		}
		obs = append(obs, o)
	}
	return append(obs, q.observeData()...)
}

// observeData compares the answer section. What a truncated answer does not show is not judged as missing
// from the zone: it fails with a word about the truncation.
func (q *question) observeData() []Observation {
	m := &q.d.Answer
	if len(m.Any)+len(m.All)+len(m.None) == 0 {
		return nil
	}
	ds := dataOf(q.reply.Answer)
	got := shownData(ds)
	var obs []Observation
	note := func(what string, texts []string, held bool) {
		if len(texts) == 0 {
			return
		}
		o := Observation{What: what, Want: clip(strings.Join(texts, ", "), maxLine), Got: got, Held: held, Reason: Answer}
		// A part of an answer shows only what is there.
		if q.reply.Truncated && held == (what == "answer.none") {
			o.Held, o.Got = false, got+" (the answer was truncated; use transport: tcp)"
		}
		obs = append(obs, o)
	}
	note("answer.any", m.Any, countData(ds, m.Any) > 0)
	note("answer.all", m.All, countData(ds, m.All) == len(m.All))
	note("answer.none", m.None, countData(ds, m.None) == 0)
	return obs
}

// countData counts those texts that are the data of a record.
func countData(ds []datum, texts []string) int {
	n := 0
	for _, s := range texts {
		if slices.ContainsFunc(ds, func(d datum) bool { return d.is(s) }) {
			n++
		}
	}
	return n
}

func shownData(ds []datum) string {
	if len(ds) == 0 {
		return "no records"
	}
	texts := make([]string, len(ds))
	for i, d := range ds {
		texts[i] = d.shown
	}
	return clip(strings.Join(texts, ", "), maxLine)
}

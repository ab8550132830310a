package probe

import (
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// AnswerMatch says what a section of a reply must hold: the answer, the authority or the additional one. The zero value
// wants nothing. Signatures (RRSIG) count in Exact and Count only if they are what is asked for.
type AnswerMatch struct {
	Any   []RecordMatch `yaml:"any"`   // at least one of these
	All   []RecordMatch `yaml:"all"`   // every one of these
	None  []RecordMatch `yaml:"none"`  // none of these
	Exact []RecordMatch `yaml:"exact"` // every one of these and no other, in any order
	Count *RecordCount  `yaml:"count"` // nil: any number
}

// RecordCount is how many records a section has.
type RecordCount struct {
	Min int  `yaml:"min"`
	Max *int `yaml:"max"` // nil: any number
}

func (c *RecordCount) has(n int) bool { return n >= c.Min && (c.Max == nil || n <= *c.Max) }

// String is the number for people.
func (c *RecordCount) String() string {
	switch {
	case c.Max == nil:
		return fmt.Sprintf("at least %d", c.Min)
	case c.Min == 0:
		return fmt.Sprintf("at most %d", *c.Max)
	case c.Min == *c.Max:
		return fmt.Sprint(c.Min)
	}
	return fmt.Sprintf("%d to %d", c.Min, *c.Max)
}

func (c *RecordCount) validate(field string) []Problem {
	switch {
	case c.Min == 0 && c.Max == nil:
		return []Problem{{Field: field, Message: "found neither min nor max", Hint: "count: {min: 1}"}}
	case c.Min < 0:
		return []Problem{{Field: field + ".min", Message: fmt.Sprintf("found %d, wanted 0 or more", c.Min)}}
	case c.Max != nil && *c.Max < c.Min:
		return []Problem{{Field: field + ".max", Message: fmt.Sprintf("found %d, wanted at least min (%d)", *c.Max, c.Min)}}
	}
	return nil
}

// wantsData reports whether a section without records fails.
func (m *AnswerMatch) wantsData() bool {
	return len(m.Any)+len(m.All)+len(m.Exact) > 0 || m.Count != nil && m.Count.Min > 0
}

func (m *AnswerMatch) set() bool { return m.wantsData() || len(m.None) > 0 || m.Count != nil }

// validate prepares the matches of a section and reports their faults.
func (m *AnswerMatch) validate(section string) []Problem {
	var ps []Problem
	for _, list := range []struct {
		field   string
		matches []RecordMatch
	}{{".any", m.Any}, {".all", m.All}, {".none", m.None}, {".exact", m.Exact}} {
		for i := range list.matches {
			ps = append(ps, list.matches[i].validate(fmt.Sprintf("%s%s[%d]", section, list.field, i))...)
		}
	}
	if len(m.Exact) > 0 && (len(m.Any)+len(m.All)+len(m.None) > 0 || m.Count != nil) {
		ps = append(ps, Problem{Field: section + ".exact", Message: "found exact beside others: it says all that the section may hold", Hint: "leave the others out"})
	}
	if m.Count != nil {
		ps = append(ps, m.Count.validate(section+".count")...)
	}
	for i := range m.None {
		n := m.None[i].String()
		if slices.ContainsFunc(m.All, func(a RecordMatch) bool { return normalData(a.String()) == normalData(n) }) {
			ps = append(ps, Problem{Field: section, Message: fmt.Sprintf("all and none both name %q", clip(n, 80))})
		}
	}
	return ps
}

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

// A datum is one record of a reply.
type datum struct {
	rr    dns.RR
	shown string // its data for people
	text  string // to compare; of a TXT record its strings, joined
	exact bool
}

// shownText is what a regular expression is matched against.
func (d *datum) shownText() string {
	if d.exact {
		return d.text
	}
	return d.shown
}

// data is the record for people who asked for no more than its data.
func (d datum) data() string { return d.shown }

// record is the whole record for people.
func (d datum) record() string { return strings.ReplaceAll(d.rr.String(), "\t", " ") }

func dataOf(rrs []dns.RR) []datum {
	ds := make([]datum, 0, len(rrs))
	for _, rr := range rrs {
		if rr.Header().Rrtype == dns.TypeOPT {
			continue
		}
		d := datum{rr: rr, shown: strings.TrimPrefix(rr.String(), rr.Header().String())}
		if txt, ok := rr.(*dns.TXT); ok {
			d.text, d.exact = strings.Join(txt.Txt, ""), true
		} else {
			d.text = normalData(d.shown)
		}
		ds = append(ds, d)
	}
	return ds
}

// A sectionView is a section that is compared with what is wanted of it.
type sectionView struct {
	name      string
	match     *AnswerMatch
	all       []datum
	counted   []datum // without signatures that come along
	truncated bool
	obs       []Observation
	ctx       context.Context // ends the matching
	steps     int64           // of matching so far, at most
	late      bool            // the time was over before a record was decided
}

// observeSection compares a section. What a truncated reply does not show is not judged as missing from the zone: it fails
// with a word about the truncation.
func (q *question) observeSection(name string, m *AnswerMatch, rrs []dns.RR) []Observation {
	if !m.set() {
		return nil
	}
	v := sectionView{name: name, match: m, all: dataOf(rrs), truncated: q.reply.Truncated, ctx: q.ctx}
	v.counted = v.all
	if uint16(q.d.rrType()) != dns.TypeRRSIG {
		v.counted = slices.DeleteFunc(slices.Clone(v.all), func(d datum) bool { return d.rr.Header().Rrtype == dns.TypeRRSIG })
	}
	v.note("any", m.Any, v.among(v.all, m.Any) > 0, true)
	v.note("all", m.All, v.among(v.all, m.All) == len(m.All), true)
	v.note("none", m.None, v.among(v.all, m.None) == 0, false)
	exact := v.among(v.counted, m.Exact) == len(m.Exact) && v.known(v.counted, m.Exact)
	v.note("exact", m.Exact, exact, !exact)
	if c := m.Count; c != nil {
		held := c.has(len(v.counted))
		v.add(Observation{What: name + ".count", Want: c.String(), Got: fmt.Sprint(len(v.counted)), Held: held, Reason: Answer}, c.Max == nil || !held)
	}
	return v.obs
}

// note adds an observation about a list. grows: a longer answer could only make it hold.
func (v *sectionView) note(list string, ms []RecordMatch, held, grows bool) {
	if len(ms) == 0 {
		return
	}
	texts := make([]string, len(ms))
	for i := range ms {
		texts[i] = ms[i].String()
	}
	shown := datum.data
	if slices.ContainsFunc(ms, func(m RecordMatch) bool { return m.TTL.Set || m.Name != "" }) {
		shown = datum.record
	}
	v.add(Observation{What: v.name + "." + list, Want: clip(strings.Join(texts, ", "), maxLine), Got: shownData(v.all, shown), Held: held, Reason: Answer}, grows)
}

// add adds an observation. A part of an answer shows only what is there. What was wrong with it comes first: long records are cut off.
func (v *sectionView) add(o Observation, grows bool) {
	if v.truncated && o.Held != grows {
		o.Held, o.Got = false, "a part of the answer, which was truncated (use transport: tcp): "+o.Got
	}
	if v.late { // an answer that is hard to match hides nothing
		o.Held, o.Got = false, undecided.String()+": "+o.Got
	}
	v.obs = append(v.obs, o)
}

// among counts those matches that a record is.
func (v *sectionView) among(ds []datum, ms []RecordMatch) int {
	n := 0
	for i := range ms {
		if slices.ContainsFunc(ds, func(d datum) bool { return v.is(&ms[i], &d) }) {
			n++
		}
	}
	return n
}

// known reports whether every record is one of the matches.
func (v *sectionView) known(ds []datum, ms []RecordMatch) bool {
	for i := range ds {
		if !slices.ContainsFunc(ms, func(m RecordMatch) bool { return v.is(&m, &ds[i]) }) {
			return false
		}
	}
	return true
}

// is reports whether a record is the one that is meant. All that is matched in one go takes no longer than one body that is; more
// of it can be interrupted, and what is not decided in time is not the one.
func (v *sectionView) is(m *RecordMatch, d *datum) bool {
	switch {
	case v.late || !m.fits(d):
		return false
	case m.Regex == nil:
		return true
	}
	text := d.shownText()
	v.steps += int64(m.steps) * int64(len(text)+1)
	if v.steps <= quickSteps {
		return m.Regex.MatchString(text)
	}
	var ps patterns
	ps.begin(v.ctx, []*regexp.Regexp{m.Regex})
	ps.feed([]byte(text))
	f := ps.end()[0]
	v.late = f == undecided
	return f == present
}

// maxShown is how many records of a section are shown in one line.
const maxShown = 64

func shownData(ds []datum, shown func(datum) string) string {
	if len(ds) == 0 {
		return "no records"
	}
	texts := make([]string, min(len(ds), maxShown))
	for i := range texts {
		texts[i] = shown(ds[i])
	}
	return clip(strings.Join(texts, ", "), maxLine)
}

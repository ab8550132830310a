package probe

import (
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// accepts reports whether a reply with this code is wanted.
func (d *DNS) accepts(code ResponseCode) bool {
	if len(d.Rcode) == 0 {
		return code == dns.RcodeSuccess
	}
	return slices.Contains(d.Rcode, code)
}

// judge notes the first of what did not hold, and the details if anybody wants them.
func (q *question) judge() {
	t := q.t
	var obs []Observation
	if q.reply != nil {
		obs = q.observe()
		q.blame(obs)
		if o, asked := q.compareSerials(); asked {
			obs = append(obs, o)
			q.blame(obs[len(obs)-1:])
		}
	}
	if q.reply != nil && q.tls != nil && q.d.TLS != nil {
		t.checkDays(q.d.TLS, q.tls)
	}
	if q.reply != nil {
		t.hold(q.ctx, seen{reply: q.reply, tls: q.tls})
	}
	if t.wanted() {
		q.describe(obs)
	}
}

// blame notes the first observation that does not hold.
func (q *question) blame(obs []Observation) {
	for _, o := range obs {
		if !o.Held {
			q.t.fail(o.Reason, fmt.Errorf("%s: found %s, wanted %s", o.What, o.Got, o.Want))
		}
	}
}

// describe fills in the details.
func (q *question) describe(obs []Observation) {
	d := &q.t.a.Detail
	d.Assertions, d.StatusLine = obs, q.http
	if q.tls != nil {
		d.TLS = q.tls.detail()
		if q.d.TLS != nil && q.d.TLS.MinDaysLeft > 0 {
			d.Assertions = append(d.Assertions, q.tls.days(q.d.TLS, q.t.a.Start))
		}
	}
	var b strings.Builder
	if q.reply != nil {
		q.noteEDNS()
	}
	for _, n := range q.notes {
		b.WriteString(";; " + clip(n, maxLine) + "\n")
	}
	if q.reply != nil {
		b.WriteString(messageText(q.reply))
	}
	d.Message = clip(b.String(), maxMessage)
}

// messageText is a message for people, with its first records: the time that the whole of a long one takes grows with the
// square of its length.
func messageText(m *dns.Msg) string {
	short, left, all := *m, maxShown, 0
	for _, section := range []*[]dns.RR{&short.Answer, &short.Ns, &short.Extra} {
		n := min(len(*section), left)
		all, left = all+len(*section), left-n
		*section = (*section)[:n]
	}
	text := strings.ReplaceAll(short.String(), "\t", " ")
	if all > maxShown {
		text = fmt.Sprintf(";; the first %d of %d records\n", maxShown, all) + text
	}
	return text
}

// observe compares the reply with what is wanted, the code first: with another code nothing else counts.
func (q *question) observe() []Observation {
	d := q.d
	wanted := d.Rcode
	if len(wanted) == 0 {
		wanted = []ResponseCode{dns.RcodeSuccess}
	}
	got := ResponseCode(q.reply.Rcode)
	obs := make([]Observation, 1, 4)
	obs[0] = Observation{What: "rcode", Want: list(wanted), Got: got.String(), Held: d.accepts(got), Reason: Rcode}
	obs = q.observeFlags(obs)
	if d.EDNS != nil && d.EDNS.Cookie {
		obs = append(obs, q.observeCookie())
	}
	obs = append(obs, q.observeSection("answer", &d.Answer, q.reply.Answer)...)
	obs = append(obs, q.observeSection("authority", &d.Authority, q.reply.Ns)...)
	obs = append(obs, q.observeSection("additional", &d.Additional, q.reply.Extra)...)
	if d.Serial != nil {
		obs = append(obs, q.observeSerial()...)
	}
	if d.RRSIG != nil {
		obs = append(obs, q.observeSignatures())
	}
	return obs
}

func (q *question) observeFlags(obs []Observation) []Observation {
	for _, f := range q.d.Flags {
		obs = append(obs, Observation{What: "flags", Want: f.String(), Got: f.state(q.reply), Held: f.in(q.reply), Reason: Flags})
	}
	for _, f := range q.d.NotFlags {
		obs = append(obs, Observation{What: "not_flags", Want: "not " + f.String(), Got: f.state(q.reply), Held: !f.in(q.reply), Reason: Flags})
	}
	return obs
}

// state is what a reply has of a flag, for people.
func (f DNSFlag) state(reply *dns.Msg) string {
	if f.in(reply) {
		return "set"
	}
	return "not set"
}

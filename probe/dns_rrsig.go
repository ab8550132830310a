package probe

import (
	"fmt"
	"time"

	"github.com/miekg/dns"
)

// Signatures says that every set of records in the answer must be signed, and for how long still. Only the time
// between inception and expiration is looked at: neither the signature itself nor the chain of trust is verified.
type Signatures struct {
	MinDaysLeft int `yaml:"min_days_left"` // whole days; zero: valid now
}

func (d *DNS) validateSignatures() []Problem {
	var ps []Problem
	if d.RRSIG.MinDaysLeft < 0 {
		ps = append(ps, Problem{Field: "rrsig.min_days_left", Message: fmt.Sprintf("found %d, wanted 0 or more", d.RRSIG.MinDaysLeft)})
	}
	if d.EDNS == nil || !d.EDNS.DO {
		ps = append(ps, Problem{Field: "rrsig", Message: "signatures are wanted, and the query does not ask for them", Hint: "add edns: {do: true}"})
	}
	if !d.accepts(dns.RcodeSuccess) {
		ps = append(ps, Problem{Field: "rrsig", Message: "signatures of an answer are wanted, and a code with which there is none", Hint: "leave rrsig out, or add NOERROR to rcode"})
	}
	return ps
}

// A recordSet is the records of one name and type.
type recordSet struct {
	owner  string // canonical
	rrType uint16
}

func setOf(rr dns.RR) recordSet {
	return recordSet{dns.CanonicalName(rr.Header().Name), rr.Header().Rrtype}
}

// lifetimes returns the record sets of an answer in their order, and how long each is signed by its best signature that
// is valid at now; a set without one is not in the map.
func lifetimes(answer []dns.RR, now time.Time) ([]recordSet, map[recordSet]time.Duration) {
	var sets []recordSet
	seen, left, above := map[recordSet]bool{}, map[recordSet]time.Duration{}, dnames(answer)
	for _, rr := range answer {
		if sig, ok := rr.(*dns.RRSIG); ok {
			s := recordSet{dns.CanonicalName(sig.Hdr.Name), sig.TypeCovered}
			// The arithmetic of serial numbers (RFC 4034, section 3.1.5).
			at := uint32(now.Unix())
			rest := time.Duration(int32(sig.Expiration-at)) * time.Second
			if best, have := left[s]; int32(at-sig.Inception) >= 0 && rest >= 0 && (!have || rest > best) {
				left[s] = rest
			}
			continue
		}
		if s := setOf(rr); !seen[s] && !s.synthesised(above) {
			seen[s] = true
			sets = append(sets, s)
		}
	}
	return sets, left
}

// dnames returns the names below which an answer makes CNAMEs.
func dnames(answer []dns.RR) map[string]bool {
	var names map[string]bool
	for _, rr := range answer {
		if rr.Header().Rrtype == dns.TypeDNAME {
			if names == nil {
				names = map[string]bool{}
			}
			names[dns.CanonicalName(rr.Header().Name)] = true
		}
	}
	return names
}

// synthesised reports whether a set is a CNAME that was made of a DNAME; it then has no signature (RFC 6672, section 5.3.1).
func (s recordSet) synthesised(above map[string]bool) bool {
	if s.rrType != dns.TypeCNAME || len(above) == 0 {
		return false
	}
	for at, end := dns.NextLabel(s.owner, 0); !end; at, end = dns.NextLabel(s.owner, at) {
		if above[s.owner[at:]] {
			return true
		}
	}
	return false
}

// observeSignatures tells the set whose signature runs out first.
func (q *question) observeSignatures() Observation {
	days := q.d.RRSIG.MinDaysLeft
	o := Observation{What: "rrsig", Want: fmt.Sprintf("every record set signed for at least %d days", days), Reason: Answer}
	sets, left := lifetimes(q.reply.Answer, q.t.a.Start)
	if len(sets) == 0 {
		o.Got = "no records"
		return o
	}
	worst := sets[0]
	for _, s := range sets {
		rest, signed := left[s]
		if !signed {
			o.Got = fmt.Sprintf("no valid signature of %s %s", clip(s.owner, 255), dns.Type(s.rrType))
			return o
		}
		if rest < left[worst] {
			worst = s
		}
	}
	rest := int(left[worst] / (24 * time.Hour))
	o.Got = fmt.Sprintf("%d days (%s %s)", rest, clip(worst.owner, 255), dns.Type(worst.rrType))
	o.Held = rest >= days
	return o
}

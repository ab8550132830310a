package probe

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Announced says how a target tells that it is down for maintenance: by a status and a header, so that no failure passes
// for one. A status that the check does not accept is down for the reason status all the same; the attempt is marked.
type Announced struct {
	Status []CodeRange            `yaml:"status" default:"[503]"`
	Header map[string]HeaderMatch `yaml:"header" required:"true"` // all of these hold
	Limit  time.Duration          `yaml:"limit" default:"4h"`     // how much of it within 28 days does not count; the rest is down as ever
}

// maxAnnounced is the time that announced time is added up over.
const maxAnnounced = 28 * 24 * time.Hour

// prepare makes the rules of the headers.
func (a *Announced) prepare(accepted []CodeRange) ([]headerRule, []Problem) {
	ps := checkCodes("announced.status", a.codes())
	for _, r := range a.codes() {
		for code := r.From; code <= r.To && r.From >= 100 && r.To <= 599; code++ {
			if inCodes(accepted, code) {
				ps = append(ps, Problem{
					Field: "announced.status", Message: fmt.Sprintf("found %d, with which the check is up", code),
					Hint: "take it out of status:, or out of here",
				})
				break
			}
		}
	}
	if a.Limit < 0 || a.Limit > maxAnnounced {
		ps = append(ps, Problem{
			Field: "announced.limit", Message: fmt.Sprintf("found %v, want 0 (all of it counts) to 28d, the time that it is added up over", a.Limit),
		})
	}
	if !slices.ContainsFunc(slices.Collect(maps.Values(a.Header)), func(m HeaderMatch) bool { return !m.Absent && !m.Optional }) {
		ps = append(ps, Problem{
			Field: "announced.header", Message: "found no header that must be there: every failure with that status would pass for maintenance",
			Hint: "name one that only maintenance has, for example {Retry-After: present}",
		})
	}
	rules, more := headerRules("announced.header", a.Header)
	return rules, append(ps, more...)
}

func (a *Announced) codes() []CodeRange {
	if len(a.Status) == 0 {
		return []CodeRange{{http.StatusServiceUnavailable, http.StatusServiceUnavailable}}
	}
	return a.Status
}

// announces reports whether an answer that failed for its status announces maintenance.
func (x *exchange) announces() bool {
	a := x.h.Announced
	return a != nil && inCodes(a.codes(), x.resp.StatusCode) && headersHold(x.ctx, x.h.ready.announced, x.resp.Header)
}

package sli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What people are told of.
const (
	NoticeBurn     = "burn_rate" // an error budget is being spent so fast that an alert is due
	NoticeDecision = "decision"  // what an error budget policy decides
	NoticeFault    = "fault"     // Gaikei itself cannot see, or cannot tell
)

// How a matter stands, beside the decisions of a policy.
const (
	NoticeOK      = DecideOK  // there is nothing to tell
	NoticeBurning = "burning" // of a burn rate
	NoticeFaulty  = "faulty"  // of a fault
)

// A Matter is one thing that people are told of. It has no figures: it is the same while the configuration is, and on every
// aggregator, so that alerts are known by it. What does not apply is empty.
type Matter struct {
	Kind     string `json:"kind"`
	SLO      string `json:"slo,omitempty"`
	Severity string `json:"severity"`         // page: look now; ticket: look on a working day
	Region   string `json:"region,omitempty"` // of a fault
	Prober   string `json:"prober,omitempty"` // of a fault
}

// A Notice says how a matter stands.
type Notice struct {
	Matter
	State    string     // ok, burning or faulty; of a decision what is decided
	Sentence string     // why
	Report   *SLOReport // nil of a fault
}

// Alerts reports whether somebody ought to be alerted. To watch a budget is no alert: the policy has people look by themselves.
func (m Matter) Alerts(state string) bool {
	if m.Kind == NoticeDecision {
		return state == DecideUndecided || slices.Contains(decisions(), state) && state != decideWatch
	}
	return state != NoticeOK
}

// A Fault is something that keeps Gaikei from seeing or telling, in a sentence.
type Fault struct {
	Region   string // empty: of what is not in a region
	Prober   string // empty: of the region as a whole, or of the aggregator
	Sentence string
}

// FaultNotices makes one notice of all faults of a prober, or of a region as a whole.
func FaultNotices(faults []Fault) []Notice {
	var notices []Notice
	for _, f := range faults {
		m := Matter{Kind: NoticeFault, Severity: severityTicket, Region: f.Region, Prober: f.Prober}
		i := slices.IndexFunc(notices, func(n Notice) bool { return n.Matter == m })
		if i >= 0 {
			notices[i].Sentence += "; " + f.Sentence
			continue
		}
		notices = append(notices, Notice{Matter: m, State: NoticeFaulty, Sentence: f.Sentence})
	}
	return notices
}

// The severities of pairs of burn windows.
const (
	severityPage   = "page"
	severityTicket = "ticket"
)

// Notices says of each SLO what its policy decides, and of each severity whether the budget burns. An SLO of which nothing was due
// yet has none: that nothing can be said of it is no news.
func Notices(reports []SLOReport) []Notice {
	var notices []Notice
	for i := range reports {
		r := &reports[i]
		if r.Decided == nil {
			continue
		}
		decision := Matter{Kind: NoticeDecision, SLO: r.Name, Severity: severityTicket}
		notices = append(notices, Notice{Matter: decision, State: r.Decision.Decision, Sentence: r.Decision.Sentence, Report: r})
		for _, severity := range []string{severityPage, severityTicket} {
			notices = append(notices, r.burnNotice(severity))
		}
	}
	return notices
}

// burnNotice is about all pairs of a severity at once: while one goes on after another nothing new has begun.
func (r *SLOReport) burnNotice(severity string) Notice {
	n := Notice{Matter: Matter{Kind: NoticeBurn, SLO: r.Name, Severity: severity}, State: NoticeOK, Report: r}
	var burning, all []string
	for _, b := range r.Burn {
		if b.Severity != severity {
			continue
		}
		text := fmt.Sprintf("%s over %s and %s over %s", rateText(b.Long), windowText(b.LongSeconds), rateText(b.Short), windowText(b.ShortSeconds))
		all = append(all, text)
		if b.Alert {
			burning = append(burning, fmt.Sprintf("%s, where %s× is too fast", text, strconv.FormatFloat(b.Factor, 'f', -1, 64)))
		}
	}
	begin := "The error budget is being spent at "
	if len(burning) == 0 {
		n.Sentence = begin + strings.Join(all, ", and at ") + ": not too fast."
		return n
	}
	n.State = NoticeBurning
	n.Sentence = begin + strings.Join(burning, ", and at ") + "; " + r.leftText() + "."
	return n
}

func (r *SLOReport) leftText() string {
	if r.Budget.Left == nil {
		return "nothing is known of the budget"
	}
	return budgetText(*r.Budget.Left)
}

// rateText writes a burn rate for people.
func rateText(rate *float64) string {
	if rate == nil {
		return Undefined
	}
	return strconv.FormatFloat(*rate, 'f', 1, 64) + "×"
}

// windowText writes the length of a burn window, which is in whole minutes.
func windowText(seconds float64) string {
	minutes := int(seconds / time.Minute.Seconds())
	hours, minutes := minutes/60, minutes%60
	switch {
	case hours == 0:
		return fmt.Sprintf("%dm", minutes)
	case minutes == 0:
		return fmt.Sprintf("%dh", hours)
	}
	return fmt.Sprintf("%dh%dm", hours, minutes)
}

package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// An Event is what webhooks are told: that a matter stands otherwise than before. Its fields are documented in docs/notify.md.
type Event struct {
	SchemaVersion int            `json:"schema_version"`
	ID            string         `json:"id"` // the same however often it is sent, and from whichever aggregator
	Time          time.Time      `json:"time"`
	Kind          string         `json:"kind"` // burn_rate, decision or fault
	SLO           *string        `json:"slo"`
	Severity      string         `json:"severity"`
	Region        *string        `json:"region"`
	Prober        *string        `json:"prober"`
	Before        *string        `json:"before"` // null: the SLO is new
	After         *string        `json:"after"`  // null: the SLO is no more
	Sentence      string         `json:"sentence"`
	Link          string         `json:"link"`
	Report        *sli.SLOReport `json:"report"` // as the API gives it; null of a fault
}

// newEvent makes the event of a notice that stands otherwise than before. Empty states are of an SLO that is not there.
func newEvent(at time.Time, page, before string, n sli.Notice) Event {
	if n.Kind == sli.NoticeFault && before == "" {
		before = sli.NoticeOK
	}
	e := Event{
		SchemaVersion: sli.SchemaVersion, Time: at, Kind: n.Kind, Severity: n.Severity, Sentence: n.Sentence,
		SLO: orNull(n.SLO), Region: orNull(n.Region), Prober: orNull(n.Prober), Before: orNull(before), After: orNull(n.State),
		Link: link(page, n.Matter), Report: n.Report,
	}
	// Of what two aggregators see alike, and of nothing else.
	sum := sha256.Sum256([]byte(strings.Join([]string{
		page, n.Kind, n.SLO, n.Severity, n.Region, n.Prober, before, n.State, fmt.Sprint(at.UnixMilli()),
	}, "\x00")))
	e.ID = "evt_" + hex.EncodeToString(sum[:16])
	return e
}

func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// pending is the event as it waits.
func (e *Event) pending() pending {
	body, err := json.Marshal(e)
	if err != nil { // reports hold no figure that JSON has not
		panic(fmt.Sprintf("notify: write event: %v", err))
	}
	return pending{ID: e.ID, Time: e.Time, Body: body}
}

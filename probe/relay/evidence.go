package relay

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gaikei/gaikei/probe"
)

// Evidence takes a piece of evidence, and with it its ownership. It never blocks; the oldest that has not been
// put is dropped when there is too much.
func (o *Outbox) Evidence(e *probe.Evidence) {
	o.mu.Lock()
	o.evidence = append(o.evidence, e)
	full := len(o.evidence) > o.q.tune.evidence
	if full {
		o.evidence[0] = nil
		o.evidence = o.evidence[1:]
	}
	o.mu.Unlock()
	if full {
		o.q.dropEvidence()
	}
}

// flushEvidence puts the evidence taken and does not wait for it to arrive.
func (o *Outbox) flushEvidence(s *session) {
	o.mu.Lock()
	es := o.evidence
	o.evidence = nil
	o.mu.Unlock()
	subject := subjectOf(evidenceSubject, o.region, o.prober)
	for _, e := range es {
		data, err := json.Marshal(e)
		if err == nil && len(data) > evidenceMax {
			err = fmt.Errorf("evidence has %d bytes, want at most %d", len(data), evidenceMax)
		}
		if err == nil {
			err = s.conn.Publish(subject, data)
		}
		if err != nil {
			o.q.log.Debug("evidence dropped", "region", o.region, "check", e.Check, "error", err)
			o.q.dropEvidence()
		}
	}
}

func (q *Queue) dropEvidence() {
	now := time.Now()
	q.drops.add(Drop{Cause: DroppedEvidence, From: now, To: now, Count: 1})
}

// countEvidence counts as dropped what the session still has in memory.
func (q *Queue) countEvidence(s *session) {
	if n := int64(s.detail(evidenceStream).State.Msgs); n > 0 {
		now := time.Now()
		q.drops.add(Drop{Cause: DroppedEvidence, From: now, To: now, Count: n})
	}
}

// runEvidence puts evidence until ctx ends. It is apart from the results, which never wait for it.
func (q *Queue) runEvidence(ctx context.Context) {
	tick := time.NewTicker(q.tune.every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			q.flushEvidence()
		case <-ctx.Done():
			q.flushEvidence()
			return
		}
	}
}

func (q *Queue) flushEvidence() {
	s, err := q.current()
	if err != nil {
		return // it waits in the outboxes, which are bounded
	}
	for _, o := range q.all() {
		o.flushEvidence(s)
	}
}

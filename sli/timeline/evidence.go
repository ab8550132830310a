package timeline

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
)

// Bounds of what is kept of evidence.
const (
	evidenceKept  = 50                  // newest pieces of a series
	evidenceAge   = 30 * 24 * time.Hour // of the oldest
	evidenceBytes = 256 << 10           // of one piece
)

// badEvidence is evidence that cannot be stored.
type badEvidence struct {
	reason string
	err    error
}

func (e *badEvidence) Error() string { return e.err.Error() }

func putEvidence(tx *transaction, m Message) error {
	e, err := readEvidence(m)
	if err != nil {
		return err
	}
	if err := tx.exec("put evidence", e.Check, m.Region, e.Slot, m.Prober, m.Payload); err != nil {
		return err
	}
	return tx.exec("trim evidence", e.Check, m.Region, evidenceKept-1)
}

func readEvidence(m Message) (probe.Evidence, error) {
	var e probe.Evidence
	for _, name := range []string{m.Region, m.Prober} {
		if err := wire.CheckName(name); err != nil {
			return e, &badEvidence{"off_subject", err}
		}
	}
	if len(m.Payload) > evidenceBytes {
		return e, &badEvidence{"malformed", fmt.Errorf("evidence: got %d bytes, want at most %d", len(m.Payload), evidenceBytes)}
	}
	if err := json.Unmarshal(m.Payload, &e); err != nil {
		return e, &badEvidence{"malformed", fmt.Errorf("evidence: %w", err)}
	}
	if err := wire.CheckName(e.Check); err != nil {
		return e, &badEvidence{"malformed", fmt.Errorf("evidence: %w", err)}
	}
	at := time.UnixMilli(e.Slot)
	switch {
	case at.After(m.Received.Add(ahead)):
		return e, &badEvidence{"future", fmt.Errorf("evidence of %s is over %v ahead", at.UTC(), ahead)}
	case at.Before(m.Received.Add(-evidenceAge)):
		return e, &badEvidence{"too_old", fmt.Errorf("evidence of %s is over %v old", at.UTC(), evidenceAge)}
	}
	return e, nil
}

// Evidence returns the newest n pieces of evidence of a check in a region, newest first.
func (s *Store) Evidence(ctx context.Context, check, region string, n int) ([]probe.Evidence, error) {
	es := []probe.Evidence{}
	err := s.db.each(ctx, s.db.read, "evidence", []any{check, region, n}, func(scan func(...any) error) error {
		var body []byte
		if err := scan(&body); err != nil {
			return err
		}
		var e probe.Evidence
		if err := json.Unmarshal(body, &e); err != nil {
			return err
		}
		es = append(es, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read evidence of %s in %s: %w", check, region, err)
	}
	return es, nil
}

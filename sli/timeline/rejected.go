package timeline

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// rejectedKept and rejectedHead bound the table of rejected messages.
const (
	rejectedKept = 1000
	rejectedHead = 256
)

// Rejected returns what was put aside in the window, newest first; the newest thousand are kept. As_of plays no part.
func (s *Store) Rejected(ctx context.Context, q sli.Query) ([]sli.Rejected, error) {
	from, to, err := s.instants(q)
	if err != nil {
		return nil, fmt.Errorf("read what was rejected: %w", err)
	}
	list := []sli.Rejected{}
	err = s.db.each(ctx, s.db.read, "rejected", nil, func(scan func(...any) error) error {
		var r sli.Rejected
		var received int64
		if err := scan(&received, &r.Region, &r.Prober, &r.Reason, &r.Detail, &r.Head); err != nil {
			return err
		}
		r.ReceivedAt = time.Unix(0, received).UTC()
		if at := r.ReceivedAt.UnixMilli(); from <= at && at < to && asked(q.Regions, r.Region) {
			list = append(list, r)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read what was rejected: %w", err)
	}
	return list, nil
}

func putRejected(tx *transaction, rs []rejection) error {
	if len(rs) == 0 {
		return nil
	}
	for _, r := range rs[max(0, len(rs)-rejectedKept):] {
		head := r.Payload[:min(len(r.Payload), rejectedHead)]
		if head == nil {
			head = []byte{}
		}
		err := tx.exec("put rejected", r.Received.UnixNano(), clean(r.Region), clean(r.Prober), r.reason, clean(r.detail), head)
		if err != nil {
			return err
		}
	}
	return tx.exec("trim rejected", rejectedKept)
}

// clean makes a text from outside storable in any database.
func clean(text string) string {
	text = text[:min(len(text), rejectedHead)]
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\uFFFD")
}

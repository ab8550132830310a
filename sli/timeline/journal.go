package timeline

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/gaikei/gaikei/probe/wire"
	"github.com/gaikei/gaikei/sli"
)

// journal appends the message and stores its epochs.
func journal(tx *transaction, in *incoming) error {
	row := []any{in.Region, in.Prober, in.Received.UnixNano(), in.packed}
	if err := tx.one("append journal", row, &in.seq); err != nil {
		return err
	}
	for i, e := range in.batch.Epochs {
		if err := putEpoch(tx, sli.Series{Check: e.Check, Region: in.Region}, storedEpoch(in.Message, i, e)); err != nil {
			return err
		}
	}
	return nil
}

// readJournal calls f with every row of the journal between two others.
func (db *database) readJournal(ctx context.Context, on querier, after, before int64, f func(seq int64, m Message) error) error {
	return db.each(ctx, on, "read journal", []any{after, before}, func(scan func(...any) error) error {
		var m Message
		var seq, received, packed int64
		if err := scan(&seq, &m.Region, &m.Prober, &received, &packed, &m.Payload); err != nil {
			return err
		}
		m.Received = time.Unix(0, received)
		if err := unpackRow(packed, &m); err != nil {
			return err
		}
		return f(seq, m)
	})
}

// unpackRow undoes what packMessage did to the payload of a row. Those of earlier versions are not packed.
func unpackRow(packed int64, m *Message) (err error) {
	if packed == 0 {
		return nil
	}
	if m.Payload, err = unpackMessage(m.Payload); err != nil {
		return fmt.Errorf("a row of the journal, of prober %s in region %s at %v: %w", m.Prober, m.Region, m.Received.UTC(), err)
	}
	return nil
}

// A packer packs messages one after another, in the same room. The zero value is ready for use.
type packer struct{ room []byte }

// pack makes a message smaller for the journal, into which all of it goes twice: into the log and into the table.
func (p *packer) pack(payload []byte) []byte {
	if n := s2.MaxEncodedLen(len(payload)); cap(p.room) < n {
		p.room = make([]byte, n)
	}
	return slices.Clone(s2.Encode(p.room[:cap(p.room)], payload))
}

// unpackMessage undoes pack.
func unpackMessage(packed []byte) ([]byte, error) {
	n, err := s2.DecodedLen(packed)
	if err == nil && n > wire.MaxMessage {
		err = fmt.Errorf("%d bytes, want %d at most", n, wire.MaxMessage)
	}
	if err != nil {
		return nil, err
	}
	return s2.Decode(nil, packed)
}

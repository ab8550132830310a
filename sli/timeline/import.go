package timeline

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/gaikei/gaikei/sli"
)

// Imported is what an import found in a folder.
type Imported struct {
	Series, Days, Epochs, Messages int      // Days are blocks of one series each, messages those of the journal
	Moved                          []string // regions that got another ordinal, since theirs was taken: their slots move
}

// importBytes bounds the payloads that are taken into one transaction.
const importBytes = 4 << 20

// Import joins the timelines of a folder, as they are at one instant, into the database that o names: blocks, epochs,
// maintenance, announcements, corrections, regions, evidence, the journal, and for probers elsewhere plans and credentials. It is a join: importing twice, after an error or while the database is
// in use changes nothing that is there and loses nothing. The folder is only read, also while a process writes to it.
// Histograms of phases of a day that both have are not added up, since nobody can tell what is in both: the
// fuller one stays, unless they are of different probers.
func Import(ctx context.Context, dir string, o Options) (_ Imported, err error) {
	if _, err := os.Stat(filepath.Join(dir, databaseName)); err != nil {
		return Imported{}, fmt.Errorf("import: %w", err)
	}
	f, db, err := openAsFound(dir)
	if err != nil {
		return Imported{}, fmt.Errorf("import %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, db.close(), f.unlock()) }()
	if err := db.upToDate(ctx); err != nil {
		return Imported{}, fmt.Errorf("import %s: %w", dir, err)
	}
	to, err := Open(ctx, o)
	if err != nil {
		return Imported{}, fmt.Errorf("import: %w", err)
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	i := importer{from: db, to: to}
	if err := i.all(ctx); err != nil {
		return i.done, fmt.Errorf("import %s: %w", dir, err)
	}
	return i.done, nil
}

// An importer copies from one database into a store.
type importer struct {
	from  *database
	tx    *sql.Tx // of from: all is read as of one instant
	codec *codec  // for blocks of from
	to    *Store
	done  Imported
}

func (i *importer) all(ctx context.Context) (err error) {
	if i.codec, err = newCodec(&i.to.probers); err != nil {
		return err
	}
	defer i.codec.close()
	if i.tx, err = i.from.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}); err != nil {
		return err
	}
	defer func() { _ = i.tx.Rollback() }() // nothing was written
	// Epochs come before blocks, whose summaries are made by them.
	for _, copyOf := range []func(context.Context) error{i.regions, i.credentials, i.plans, i.epochs, i.maintenance, i.announced, i.corrections, i.evidence, i.blocks, i.journal} {
		if err := copyOf(ctx); err != nil {
			return err
		}
	}
	return nil
}

// regions keeps the ordinals that the database has, and gives new regions theirs if they are free.
func (i *importer) regions(ctx context.Context) error {
	var rs []Region
	err := i.from.each(ctx, i.tx, "regions", nil, func(scan func(...any) error) error {
		var r Region
		r.Ordinal = new(int)
		err := scan(&r.Name, r.Ordinal, &r.Weight)
		rs = append(rs, r)
		return err
	})
	if err != nil {
		return err
	}
	return i.to.db.transact(ctx, func(tx *transaction) error {
		if err := tx.exec("lock regions"); err != nil {
			return err
		}
		stored, err := storedOrdinals(ctx, i.to.db, tx)
		if err != nil {
			return err
		}
		fresh, moved := adopt(stored, rs)
		for _, r := range fresh {
			if err := tx.exec("put region", r.Name, *r.Ordinal, r.Weight); err != nil {
				return err
			}
		}
		i.done.Moved = moved
		return i.to.noteChange(tx)
	})
}

// adopt gives the regions that are not stored yet their ordinals where these are free, and others where not. It also
// returns the names of all whose ordinal is not the one they had.
func adopt(stored map[string]int, rs []Region) (fresh []Region, moved []string) {
	all := newOrdinals(stored)
	for _, r := range rs {
		was, known := all.of[r.Name]
		_, taken := all.owner[*r.Ordinal]
		switch {
		case known && was != *r.Ordinal:
			moved = append(moved, r.Name)
		case known:
		case taken:
			moved = append(moved, r.Name)
			fresh = append(fresh, r) // when those that are free are given
		default:
			all.give(*r.Ordinal, r.Name)
			fresh = append(fresh, r)
		}
	}
	for k := range fresh {
		if _, given := all.of[fresh[k].Name]; !given {
			all.give(all.next, fresh[k].Name)
		}
		ordinal := all.of[fresh[k].Name]
		fresh[k].Ordinal = &ordinal
	}
	return fresh, moved
}

func (i *importer) epochs(ctx context.Context) error {
	epochs, err := readEpochs(ctx, i.from, i.tx)
	if err != nil {
		return err
	}
	var xs []sli.Series
	for x := range epochs {
		xs = append(xs, x)
	}
	slices.SortFunc(xs, compareSeries)
	err = i.to.db.transact(ctx, func(tx *transaction) error {
		for _, x := range xs {
			for _, e := range epochs[x] {
				i.done.Epochs++
				if err := putEpoch(tx, x, e); err != nil {
					return err
				}
			}
		}
		return i.to.noteChange(tx)
	})
	if err != nil {
		return err
	}
	return i.to.follow(ctx)
}

func (i *importer) maintenance(ctx context.Context) error {
	var os []occurrence
	err := i.from.each(ctx, i.tx, "all maintenance", nil, func(scan func(...any) error) error {
		var o occurrence
		err := scan(&o.check, &o.name, &o.From, &o.To)
		os = append(os, o)
		return err
	})
	if err != nil {
		return err
	}
	var until int64
	err = i.tx.QueryRowContext(ctx, i.from.queries["meta"], maintenanceUntil).Scan(&until)
	if errors.Is(err, sql.ErrNoRows) {
		return nil // there never was any
	}
	if err != nil {
		return err
	}
	return i.to.putOccurrences(ctx, os, until)
}

func (i *importer) evidence(ctx context.Context) error {
	return i.to.db.transact(ctx, func(tx *transaction) error {
		if err := tx.exec("lock evidence"); err != nil {
			return err
		}
		return i.from.each(ctx, i.tx, "all evidence", nil, func(scan func(...any) error) error {
			var x sli.Series
			var slot int64
			var prober string
			var body []byte
			if err := scan(&x.Check, &x.Region, &slot, &prober, &body); err != nil {
				return err
			}
			if err := tx.exec("put evidence", x.Check, x.Region, slot, prober, body); err != nil {
				return err
			}
			return tx.exec("trim evidence", x.Check, x.Region, evidenceKept-1)
		})
	})
}

// corrections keeps what both have as it is, but for those that either has revoked.
func (i *importer) corrections(ctx context.Context) error {
	list, err := i.from.corrections(ctx, i.tx, math.MinInt64, math.MaxInt64)
	if err != nil {
		return err
	}
	return i.to.db.transact(ctx, func(tx *transaction) error {
		for k := range list {
			c := &list[k]
			if _, err := putCorrection(tx, c); err != nil {
				return err
			}
			if r := c.Revoked; r != nil {
				if err := tx.exec("put revocation", c.ID, r.At.UnixMilli(), r.Reason, r.Author); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (i *importer) blocks(ctx context.Context) error {
	ids := map[sli.Series]int64{}
	var xs []sli.Series
	err := i.from.each(ctx, i.tx, "all series", nil, func(scan func(...any) error) error {
		var id int64
		var x sli.Series
		err := scan(&id, &x.Check, &x.Region)
		ids[x] = id
		xs = append(xs, x)
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(xs, compareSeries)
	i.to.writing.Lock() // for the codec; nobody else uses this store
	defer i.to.writing.Unlock()
	for _, x := range xs {
		if err := i.series(ctx, x, ids[x]); err != nil {
			return fmt.Errorf("%s in %s: %w", x.Check, x.Region, err)
		}
		i.done.Series++
	}
	return nil
}

// series joins the blocks of one series in, as a fold does, in a transaction in which nobody else changes blocks.
func (i *importer) series(ctx context.Context, x sli.Series, id int64) error {
	i.to.mu.Lock()
	f := folding{t: i.to.timelineOf(x)} // its id is looked up: it may have been forgotten meanwhile
	i.to.mu.Unlock()
	return i.to.db.transact(ctx, func(tx *transaction) error {
		if err := tx.exec("lock blocks"); err != nil {
			return err
		}
		err := i.from.each(ctx, i.tx, "blocks", []any{id, int64(0), int64(maxDay)}, func(scan func(...any) error) error {
			var day int64
			var data []byte
			if err := scan(&day, &data); err != nil {
				return err
			}
			block, err := i.codec.decode(day, data)
			if err != nil {
				return fmt.Errorf("day %d: %w", day, err)
			}
			f.days = map[int64]slots{day: block}
			i.done.Days++
			return i.to.foldOne(tx, &f)
		})
		if err != nil || f.id == 0 {
			return err
		}
		return i.phases(ctx, tx, f.id, id)
	})
}

// maxDay is a day after any.
const maxDay = 1 << 40

func (i *importer) phases(ctx context.Context, tx *transaction, to, from int64) error {
	return i.from.each(ctx, i.tx, "phases", []any{from, int64(0), int64(maxDay)}, func(scan func(...any) error) error {
		var day int64
		var data []byte
		if err := scan(&day, &data); err != nil {
			return err
		}
		theirs, err := i.codec.decodePhases(day, data)
		if err != nil {
			return fmt.Errorf("phases of day %d: %w", day, err)
		}
		ours, err := i.to.readPhases(tx, to, day)
		if err != nil {
			return err
		}
		return tx.exec("put phases", to, day, i.to.codec.encodePhases(day, ours.joined(theirs)))
	})
}

// joined returns the sum of two histograms if they count the results of different probers, else the fuller one.
func (d *phases) joined(o *phases) *phases {
	for _, s := range o.seen {
		if slices.ContainsFunc(d.seen, func(x seen) bool { return x.prober == s.prober }) {
			if o.counted() > d.counted() {
				return o
			}
			return d
		}
	}
	return &phases{seen: slices.Concat(d.seen, o.seen), bins: mergedBins(d.bins, o.bins)}
}

// counted is how many results are in it.
func (d *phases) counted() int {
	n := 0
	for _, s := range d.seen {
		n += len(s.entries)
	}
	return n
}

func (i *importer) journal(ctx context.Context) error {
	var ms []Message
	size := 0
	err := i.from.readJournal(ctx, i.tx, 0, 1<<62, func(_ int64, m Message) error {
		ms, size = append(ms, m), size+len(m.Payload)
		i.done.Messages++
		if size < importBytes {
			return nil
		}
		err := i.to.Ingest(ctx, ms)
		ms, size = nil, 0
		return err
	})
	if err != nil {
		return err
	}
	return i.to.Ingest(ctx, ms)
}

package timeline

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// When several processes share a database, each has all of the tails in memory, so that each answers every query
// alike, and one of them folds. How that stays exact:
//
//   - Ingest only inserts, into the journal and the epochs. Everybody, also who inserted, learns of it by tailing.
//   - The tail reads what its snapshot sees and the one before did not. Rows of a transaction that commits late, whatever
//     its number, are read when it does, and none is read twice. (By a number that grows it would not be so:
//     a transaction may take a lower number and commit later.)
//   - Who folds does so on the very connection that holds the lock and that tails, so that none of them can part: if
//     the connection is lost, so is the transaction, and the lock is free for another. What it folds is what its
//     last snapshot saw, and the fold's transaction records that snapshot. On a new connection, which may be to a server
//     that took over and lacks the last commits, everything that is not folded is read anew.
//   - Everybody drops from memory what such a snapshot saw, when the fold that recorded it is committed and visible to
//     their own tail. Readers take from memory first and read blocks after, so what they no longer find in memory
//     they find in a block. To drop late does no harm: the join makes twice the same as once. To drop before the
//     commit is visible would: it must never happen, also not for a fold of one's own.
//   - Rows of the journal that every part's snapshot has seen are read by nobody any more, and go with their partitions.
type shared struct {
	me int64 // stands for this process in the journal; random

	// All below is guarded by Store.writing.
	conn    *sql.Conn // tails, and folds if it holds the lock; nil: none
	leads   bool      // conn holds the lock of who folds
	seen    snapshot  // of the journal
	known   snapshot  // of the catalogue and of folds
	turn    uint32    // the part that is folded next when tails are crowded
	counted snapshot  // of the journal, for those who count arrivals: it survives a new connection
}

// tailTick is how often the journal is tailed: what anybody took in is seen by readers within it.
const tailTick = time.Second

// idleSession is after how many ms the server ends a session that tails and has not been heard of, so that a process that
// is stopped, and whose network answers all the same, does not keep the lock.
const idleSession = "60000"

// connect makes the connection that tails, if there is none. Under writing.
func (s *Store) connect(ctx context.Context) error {
	if s.shared.conn != nil {
		return nil
	}
	c, err := s.db.own.Conn(ctx)
	if err != nil {
		return err
	}
	var needed int64
	if err := c.QueryRowContext(ctx, s.db.queries["needed journal"]).Scan(&needed); err != nil {
		return errors.Join(err, c.Close())
	}
	s.shared.conn, s.shared.leads = c, false
	s.shared.seen, s.shared.known = before(needed), before(firstXID)
	return nil
}

// disconnect ends the connection, and with it the lock. Under writing.
func (s *Store) disconnect() {
	if s.shared.conn != nil {
		_ = s.shared.conn.Close() // its pool keeps none that are idle; one that fails to close is closed already
		s.shared.conn, s.shared.leads = nil, false
	}
}

// lead reports whether this process is the one that folds, and makes it so if nobody is. Under writing.
func (s *Store) lead(ctx context.Context) (bool, error) {
	if s.shared == nil {
		return true, nil
	}
	if s.shared.conn != nil && s.shared.conn.PingContext(ctx) != nil {
		s.disconnect()
	}
	if s.shared.leads {
		return true, nil
	}
	if err := s.connect(ctx); err != nil {
		return false, err
	}
	err := s.shared.conn.QueryRowContext(ctx, s.db.queries["claim folding"]).Scan(&s.shared.leads)
	if err != nil || !s.shared.leads {
		return false, err
	}
	// Whoever led before may have folded, and changed the catalogue, a moment ago: nothing may be folded by an older
	// snapshot than theirs.
	s.shared.known = before(firstXID)
	s.counts.began = s.o.Now().UnixMilli()
	if err = s.tail(ctx); err == nil && s.maintenance.until > 0 {
		err = s.resumeMaintenance(ctx, s.o.Now()) // from where they left off
	}
	if err != nil {
		s.disconnect()
		return false, err
	}
	s.o.Logger.Info("this process folds the timelines now")
	return true, nil
}

// folding runs the transaction of a fold, in which nobody else may change blocks.
func (s *Store) folding(ctx context.Context, f func(tx *transaction) error) error {
	if s.shared == nil {
		return s.db.transact(ctx, f)
	}
	if !s.shared.leads {
		return errNotLeader
	}
	return s.db.transactOn(ctx, s.shared.conn, func(tx *transaction) error {
		if err := tx.exec("lock blocks"); err != nil {
			return err
		}
		return f(tx)
	})
}

// errNotLeader answers a fold in a process that does not fold.
var errNotLeader = errors.New("another process folds")

// noteChange has every process read the catalogue again.
func (s *Store) noteChange(tx *transaction) error {
	if s.shared == nil {
		return nil
	}
	return tx.exec("note change")
}

// tailTicker ticks when the journal is to be tailed.
func (s *Store) tailTicker() *time.Ticker {
	if s.shared == nil {
		t := time.NewTicker(time.Hour)
		t.Stop() // nobody else writes to it
		return t
	}
	return time.NewTicker(tailTick)
}

// follow is one look at what others did.
func (s *Store) follow(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if err := s.tail(ctx); err != nil || !s.crowded(1) {
		return err
	}
	if led, err := s.lead(ctx); !led {
		return err
	}
	// Part by part: a transaction must not take long, however many series there are, and after some of them there is
	// other work to do.
	for range foldParts / 6 {
		if err := s.fold(ctx, part{s.shared.turn % foldParts, foldParts}); err != nil {
			return err
		}
		s.shared.turn++
	}
	return nil
}

// tidyJournal makes partitions ahead, and drops those that nobody needs any more. Under writing.
func (s *Store) tidyJournal(ctx context.Context) error {
	if s.shared == nil {
		return nil
	}
	if err := s.prepareJournal(ctx); err != nil {
		return err
	}
	return s.folding(ctx, func(tx *transaction) error { return tx.exec("drop journal") })
}

// tail takes in what was committed since it last did. Under writing.
func (s *Store) tail(ctx context.Context) error {
	err := s.connect(ctx)
	if err == nil {
		err = s.catchUp(ctx)
	}
	if err != nil {
		s.disconnect()
	}
	if s.reading.note(err) != nil {
		return fmt.Errorf("tail the journal: %w", err)
	}
	return nil
}

// catchUp brings memory to the present. All is read by one snapshot. After an error what was taken in is taken in
// again, which is the same as once.
func (s *Store) catchUp(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tx, err := s.shared.conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	now, err := s.snapshotOf(ctx, tx)
	if err != nil {
		return err
	}
	if err := s.readShared(ctx, tx); err != nil {
		return err
	}
	var changes int
	if err := tx.QueryRowContext(ctx, s.db.queries["changed"], s.shared.known.text).Scan(&changes); err != nil {
		return err
	}
	if changes > 0 || s.shared.known.xmax == firstXID {
		if err := s.readCatalogue(ctx, tx); err != nil {
			return err
		}
	}
	// Last, since the blocks of what is dropped are found by the ids just read.
	if err := s.dropFolded(ctx, tx); err != nil {
		return err
	}
	s.shared.seen, s.shared.known, s.shared.counted = now, now, now
	return nil
}

func (s *Store) snapshotOf(ctx context.Context, tx *sql.Tx) (snapshot, error) {
	var text string
	if err := tx.QueryRowContext(ctx, s.db.queries["snapshot"]).Scan(&text); err != nil {
		return snapshot{}, err
	}
	return parseSnapshot(text)
}

// readShared takes new rows of the journal into memory, and counts those that this process took in.
func (s *Store) readShared(ctx context.Context, tx *sql.Tx) error {
	return s.db.each(ctx, tx, "read journal", []any{s.shared.seen.text}, func(scan func(...any) error) error {
		var in incoming
		var taker, received, packed int64
		if err := scan(&in.seq, &taker, &in.Region, &in.Prober, &received, &packed, &in.Payload); err != nil {
			return err
		}
		in.Received = time.Unix(0, received)
		if err := unpackRow(packed, &in.Message); err != nil {
			return err
		}
		if in.batch, _ = s.sift(in.Message); in.batch == nil {
			return nil
		}
		seen := func(*timeline, entry, record) {}
		if taker == s.shared.me && !s.shared.counted.sees(in.seq) {
			seen = (*timeline).count
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.apply(&in, seen)
		return nil
	})
}

// dropFolded drops from memory what is in blocks.
func (s *Store) dropFolded(ctx context.Context, tx *sql.Tx) error {
	folds := map[uint32]snapshot{}
	err := s.db.each(ctx, tx, "read folds", []any{s.shared.known.text}, func(scan func(...any) error) error {
		var part uint32
		var text string
		if err := scan(&part, &text); err != nil {
			return err
		}
		seen, err := parseSnapshot(text)
		folds[part] = seen
		return err
	})
	if err != nil || len(folds) == 0 {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := range s.timelines.all() {
		if seen, ok := folds[partOf(t.Series)]; ok && t.dirty() {
			was := t.tail.size()
			t.drop(&seen)
			s.unfolded -= was - t.tail.size()
		}
	}
	return nil
}

// drop forgets what a snapshot saw of a tail.
func (t *timeline) drop(seen *snapshot) {
	r := t.tail
	r.entries = slices.DeleteFunc(r.entries, func(e entry) bool { return seen.seesMark(e.mark) })
	r.gaps = slices.DeleteFunc(r.gaps, func(g gap) bool { return seen.seesMark(g.mark) })
	r.looks = slices.DeleteFunc(r.looks, func(l look) bool { return seen.seesMark(l.mark) })
	if len(r.entries)+len(r.gaps)+len(r.looks) == 0 {
		t.tail = nil // and give the memory back
	}
}

// readCatalogue reads what there is of series, epochs and regions, in place of what was known.
func (s *Store) readCatalogue(ctx context.Context, tx *sql.Tx) error {
	ids := map[sli.Series]int64{}
	err := s.db.each(ctx, tx, "all series", nil, func(scan func(...any) error) error {
		var id int64
		var x sli.Series
		err := scan(&id, &x.Check, &x.Region)
		ids[x] = id
		return err
	})
	if err != nil {
		return err
	}
	epochs, err := readEpochs(ctx, s.db, tx)
	if err != nil {
		return err
	}
	weights, err := s.readWeights(ctx, tx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.weights = weights
	for x := range ids {
		s.timelineOf(x)
	}
	for x := range epochs {
		s.timelineOf(x)
	}
	for t := range s.timelines.all() {
		t.id = ids[t.Series]
		if es := epochs[t.Series]; !slices.Equal(es, t.epochs()) {
			t.follow(es)
		}
		if t.id == 0 && len(t.epochs()) == 0 && !t.dirty() {
			s.retire(t)
		}
	}
	return nil
}

package timeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"
	"unique"

	"github.com/gaikei/gaikei/sli"
)

// DefaultRetention is how long slots are kept unless Options say otherwise.
const DefaultRetention = 400 * 24 * time.Hour

// Options of a Store.
type Options struct {
	Dir       string           // the data folder, for SQLite; made if it is not there
	Database  string           // postgres://…, which several processes may share; empty: SQLite in Dir
	Retention time.Duration    // zero: DefaultRetention
	Scraped   time.Duration    // how long it is from one scrape to the next; a counter that is new is shown as 0 for as long. Zero: DefaultScraped
	Logger    *slog.Logger     // nil: nothing is logged
	Now       func() time.Time // nil: time.Now
}

// DefaultScraped is how often Prometheus scrapes unless it is told otherwise.
const DefaultScraped = time.Minute

func (o Options) withDefaults() Options {
	if o.Retention == 0 {
		o.Retention = DefaultRetention
	}
	if o.Scraped == 0 {
		o.Scraped = DefaultScraped
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// A Store keeps the timelines of a data folder, or of a database. Its methods are safe for concurrent use.
type Store struct {
	o       Options
	db      *database
	folder  *folder
	shared  *shared // nil: SQLite, where nobody else writes
	probers probers
	health  health // of writing
	reading health // of tailing a shared journal

	// codecs of those who read, which bounds how many do so at a time.
	codecs chan *codec

	// Taken in this order. Who has writing may still wait for the one connection that writes, which who has appending only
	// needs before.
	appending sync.Mutex // held from before messages are committed to a journal of one's own until they are next to be applied
	writing   sync.Mutex // held while anything else is written, and while tails change

	codec       *codec // of who writes; guarded by writing
	applied     int64  // every row of the journal up to this one is in the tails or folded; guarded by writing
	maintenance plan   // guarded by writing
	counts      counting
	shown       shownCounts

	mu        sync.RWMutex
	timelines index                 // guarded by mu; see timeline
	unfolded  int                   // entries and gaps in all tails; guarded by mu
	weights   map[string]float64    // of regions; guarded by mu
	counters  map[sli.Counter]int64 // of what is not counted by timeline; the key's N is 0; guarded by mu
	slos      []sli.SLO             // for which is counted; guarded by mu
	objective bool                  // slos are known; guarded by mu
	limits    map[string]int64      // ms: of announced time, by check; guarded by mu
}

// Open opens a store read-write, making or migrating it if need be, and replays the journal. A folder is locked
// until Close; the error of a locked one names it and, if known, who holds it. A PostgreSQL database may be opened by
// several processes at once; no error shows its address, which may hold a password.
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.withDefaults()
	if o.Database != "" {
		db, where, err := openPostgres(ctx, o.Database)
		if err != nil {
			return nil, fmt.Errorf("open store: %s: %w", cmp.Or(where, "database"), err)
		}
		o.Dir = where
		return load(ctx, o, db, &folder{})
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	f, err := lockFolder(ctx, o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	db, err := openDatabase(ctx, filepath.Join(o.Dir, databaseName))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %s: %w", filepath.Join(o.Dir, databaseName), err), f.unlock())
	}
	return load(ctx, o, db, f)
}

// OpenReadOnly opens the store of a folder without changing anything in it, also while another process writes
// to it or when it was left by one that was killed. What is read is as of the opening, or later. It never
// migrates: a folder of another version is an ErrSchema.
func OpenReadOnly(ctx context.Context, dir string) (*Store, error) {
	path := filepath.Join(dir, databaseName)
	if _, err := os.Stat(path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("read store: %s has no timelines: %w", dir, err)
		}
		return nil, fmt.Errorf("read store: %w", err)
	}
	f, db, err := openAsFound(dir)
	if err != nil {
		return nil, fmt.Errorf("read store: %s: %w", path, err)
	}
	if err := db.upToDate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("read store: %s: %w", path, err), db.close(), f.unlock())
	}
	return load(ctx, Options{Dir: dir}.withDefaults(), db, f)
}

// load reads what is kept in memory. On an error db and f are closed.
func load(ctx context.Context, o Options, db *database, f *folder) (_ *Store, err error) {
	s := &Store{
		o: o, db: db, folder: f,
		health: health{
			log: o.Logger, lost: "timelines cannot be written; results wait in the queue until they can", found: "timelines can be written again",
		},
		reading: health{log: o.Logger, lost: "what others took in cannot be read; figures are of before", found: "what others took in can be read again"},
		codecs:  make(chan *codec, readers),
		weights: map[string]float64{}, counters: map[sli.Counter]int64{},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.codec, err = newCodec(&s.probers); err != nil {
		return nil, err
	}
	for range readers {
		c, err := newCodec(&s.probers)
		if err != nil {
			return nil, err
		}
		s.codecs <- c
	}
	if o.Database != "" {
		s.shared = &shared{me: rand.Int64()}
	}
	s.counts.began = o.Now().UnixMilli()
	if err := s.remember(ctx); err != nil {
		return nil, fmt.Errorf("open store: %s: %w", o.Dir, err)
	}
	return s, nil
}

// remember reads series, epochs, weights and the journal into memory.
func (s *Store) remember(ctx context.Context) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.shared != nil {
		return s.tail(ctx)
	}
	err := s.db.each(ctx, s.db.read, "all series", nil, func(scan func(...any) error) error {
		var id int64
		var x sli.Series
		if err := scan(&id, &x.Check, &x.Region); err != nil {
			return err
		}
		s.timelineOf(x).id = id
		return nil
	})
	if err != nil {
		return err
	}
	epochs, err := readEpochs(ctx, s.db, s.db.read)
	if err != nil {
		return err
	}
	for x, es := range epochs {
		s.timelineOf(x).follow(es)
	}
	if s.weights, err = s.readWeights(ctx, s.db.read); err != nil {
		return err
	}
	return s.replay(ctx, 0, 1<<62)
}

// readEpochs returns all that is announced, of every series in order.
func readEpochs(ctx context.Context, db *database, on querier) (map[sli.Series][]epoch, error) {
	epochs := map[sli.Series][]epoch{}
	err := db.each(ctx, on, "all epochs", nil, func(scan func(...any) error) error {
		var x sli.Series
		var e epoch
		var t terms
		err := scan(&x.Check, &x.Region, &t.prober, &e.start, &e.announced, &t.interval, &e.offset,
			&t.budget, &t.under, &t.of, &t.expected)
		e.kept = unique.Make(t)
		epochs[x] = append(epochs[x], e)
		return err
	})
	return epochs, err
}

// timelineOf returns the timeline of a series, a new one if there is none. Under writing and mu, but while opening.
func (s *Store) timelineOf(x sli.Series) *timeline {
	if t := s.timelines.of(x); t != nil {
		return t
	}
	return s.timelines.add(x)
}

// Close closes the store and unlocks the folder. Nothing is lost by not calling it. Nobody may use the store
// any more.
func (s *Store) Close() error {
	if s.shared != nil {
		s.disconnect()
	}
	err := s.db.close()
	if s.codec != nil {
		s.codec.close()
	}
	for range len(s.codecs) {
		(<-s.codecs).close()
	}
	if err := errors.Join(err, s.folder.unlock()); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// A health remembers whether something works, so that the log hears of a change and not of every failure.
type health struct {
	log         *slog.Logger
	lost, found string // what to say of a change
	mu          sync.Mutex
	bad         bool // guarded by mu
}

// note takes in how it went and returns the same error. That the caller gave up says nothing.
func (h *health) note(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case err != nil && !h.bad:
		h.log.Error(h.lost, "error", err)
	case err == nil && h.bad:
		h.log.Info(h.found)
	}
	h.bad = err != nil
	return err
}

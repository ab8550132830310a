// Package notify tells people, through Alertmanagers and webhooks, how the matters of sli.Notice stand. What is told is
// decided by the book, which takes times as arguments; the rest sends it. Nothing here waits for a receiver but the goroutine
// of that receiver. It reads no configuration and no clock but to keep its own time.
package notify

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gaikei/gaikei/sli"
)

// Options are what a Notifier tells, and whom. All but Timing must be set.
type Options struct {
	// Config is the configuration in force: the same pointer while it is the same; nil while nobody is to be told.
	Config func() *Config
	// SLOs reports on the SLOs of the configuration in force.
	SLOs func(ctx context.Context, at time.Time) ([]sli.SLOReport, error)
	// Faults tells what is wrong with Gaikei itself.
	Faults func(ctx context.Context) []sli.Fault
	// File keeps what was told, and what webhooks are still to be told, over a restart.
	File      string
	UserAgent string
	Logger    *slog.Logger
	Timing    Timing
}

// A Timing says how often things are done. Zero values mean what the fields say.
type Timing struct {
	Every  time.Duration // from round to round; 15 s
	Resend time.Duration // how often an Alertmanager is told what it was told before; a minute
	Lapse  time.Duration // from when on an alert has ended that was not told again; four minutes
	Again  time.Duration // the first wait after a webhook could not be told, doubled each time; a second
	GiveUp time.Duration // how old an event is when no webhook is told of it any more; a day
}

const (
	lookEvery   = time.Second      // for a new configuration
	longestWait = 5 * time.Minute  // between two tries of a webhook
	toldEnded   = 15 * time.Minute // for how long an Alertmanager is told that an alert is over, as by Prometheus
	roundLimit  = time.Minute      // for working out how things stand
	restTimes   = 3                // how many times as long as a round the rest after it is
	longestRest = time.Minute      // with the longest round that is well before alerts lapse
)

func (t Timing) filled() Timing {
	for _, x := range []struct {
		d *time.Duration
		v time.Duration
	}{{&t.Every, 15 * time.Second}, {&t.Resend, time.Minute}, {&t.Lapse, 4 * time.Minute}, {&t.Again, time.Second}, {&t.GiveUp, 24 * time.Hour}} {
		if *x.d == 0 {
			*x.d = x.v
		}
	}
	return t
}

// A Config says whom to tell. It must not be changed.
type Config struct {
	Page      string // address of the page, for links
	Receivers []Receiver
}

// A Kind is what a receiver understands.
type Kind int

// The kinds of receivers.
const (
	Alertmanager Kind = iota // version 2 of its API: alerts, again and again while they last
	Webhook                  // events, each once, in order, signed
)

// A Receiver is somebody to tell.
type Receiver struct {
	Name    string // unique
	Kind    Kind
	Timeout time.Duration  // of one request
	Roots   *x509.CertPool // that its certificate may come from; nil: the system's
	// Target resolves where it is, for each request anew: what is secret may change. Its errors show no secret.
	Target func() (Target, error)
}

// A Target is where a receiver is and what to show to it.
type Target struct {
	URL    string // http or https; of an Alertmanager without the path of the API
	Header http.Header
	Keys   [][]byte // of a webhook: what to sign with, each
}

// A Notifier tells. Make one with New. It is safe for concurrent use.
type Notifier struct {
	o       Options
	book    *book
	client  func(Receiver) *http.Client
	senders atomic.Pointer[[]*sender] // at work now
	slos    struct {                  // of the goroutine of Run
		known   bool
		reports []sli.SLOReport // when they were last worked out
		trouble trouble
	}
}

// New makes a Notifier that does nothing yet.
func New(o Options) *Notifier {
	o.Timing = o.Timing.filled()
	n := &Notifier{o: o, book: newBook(o.File, o.Timing.Lapse, o.Logger), client: newClient}
	n.senders.Store(&[]*sender{})
	n.slos.trouble = trouble{log: o.Logger, begins: "the SLOs cannot be worked out, so alerts stay as they were", over: "the SLOs are worked out again"}
	return n
}

// Run tells until ctx ends. Rounds are at whole multiples of Timing.Every by the wall clock, so that several aggregators
// look at the same instants, and tell of the same changes under the same ids.
func (n *Notifier) Run(ctx context.Context) error {
	n.book.load()
	var team *team
	defer func() { team.stop() }()
	every := n.o.Timing.Every
	var rested time.Time // when the next round may be: working out many SLOs must not take up the process
	for last := time.Now().Truncate(every); ; {
		if cfg := n.o.Config(); team == nil || cfg != team.cfg {
			team.stop()
			team = n.begin(ctx, cfg)
		}
		if at := time.Now().Truncate(every); !at.Equal(last) {
			last = at
			if begun := time.Now(); len(team.senders) > 0 && !begun.Before(rested) {
				n.round(ctx, team, at.UTC())
				rested = time.Now().Add(min(restTimes*time.Since(begun), longestRest))
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(min(time.Until(last.Add(every)), lookEvery)):
		}
	}
}

// A team is the senders of one configuration.
type team struct {
	cfg     *Config
	senders []*sender
	cancel  context.CancelFunc
	group   errgroup.Group
}

// begin starts the senders of a configuration. Their counters go on from those of the one before.
func (n *Notifier) begin(ctx context.Context, cfg *Config) *team {
	ctx, cancel := context.WithCancel(ctx)
	t := &team{cfg: cfg, cancel: cancel}
	if cfg != nil {
		for _, r := range cfg.Receivers {
			t.senders = append(t.senders, n.newSender(r))
		}
	}
	n.book.serve(t.senders)
	n.senders.Store(&t.senders)
	for _, s := range t.senders {
		t.group.Go(func() error { s.run(ctx); return nil })
	}
	return t
}

// stop ends them, also while they wait for an answer. A nil team has none.
func (t *team) stop() {
	if t != nil {
		t.cancel()
		_ = t.group.Wait() // they return no errors
	}
}

// round works out how things stand and has the senders tell it.
func (n *Notifier) round(ctx context.Context, t *team, at time.Time) {
	limited, cancel := context.WithTimeout(ctx, roundLimit)
	defer cancel()
	reports, err := n.o.SLOs(limited, at)
	if ctx.Err() != nil {
		return
	}
	n.slos.trouble.note(err)
	faults := n.o.Faults(limited)
	switch {
	case err == nil:
		n.slos.known, n.slos.reports = true, reports
	case !n.slos.known:
		return // what stood before the start stays as it is: nothing is known of it
	default:
		faults = append(faults, sli.Fault{Sentence: fmt.Sprintf("the SLOs cannot be worked out, so what is told of them is as of %s", asOf(n.slos.reports))})
	}
	alerts := n.book.update(at, t.cfg.Page, append(sli.Notices(n.slos.reports), sli.FaultNotices(faults)...))
	for _, s := range t.senders {
		s.tell(alerts)
	}
}

func asOf(reports []sli.SLOReport) string {
	if len(reports) == 0 {
		return "the last time there were any"
	}
	return reports[0].AsOf.Format(time.RFC3339)
}

// A trouble logs what goes wrong when it begins and when it is over. It is for one goroutine at a time.
type trouble struct {
	log          *slog.Logger
	begins, over string
	on           bool
}

func (t *trouble) note(err error) {
	switch {
	case err != nil && !t.on:
		t.log.Error(t.begins, "error", err)
	case err == nil && t.on:
		t.log.Info(t.over)
	}
	t.on = err != nil
}

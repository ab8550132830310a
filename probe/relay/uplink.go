package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"
)

const (
	dialTimeout    = 5 * time.Second
	redialFirst    = 250 * time.Millisecond
	redialMost     = 15 * time.Second
	pingEvery      = 10 * time.Second // a centre that is silent for two of them is away
	freshInFlight  = 32               // messages on Live that wait for an answer
	freshMost      = 5 * time.Second  // older ones are not fresh any more
	liveTimeout    = 10 * time.Second
	lateTimeout    = 20 * time.Second
	lateGroup      = 256 << 10 // bytes of a backlog on their way at once: what is fresh waits behind them at most
	lateMessages   = 32        // messages of it
	lateRate       = 250       // messages of it a second
	lateBytes      = 2 << 20   // bytes of it a second
	evidenceRate   = 20        // pieces of evidence a second
	complaintsMost = 64        // texts remembered
)

// UplinkOptions say what is forwarded, and where to.
type UplinkOptions struct {
	Queue       *Queue        // the near queue
	Credentials *Credentials  // who this is, and where the centre is
	Replay      time.Duration // what was put within this time before the start is sent once more; 0: nothing
	Logger      *slog.Logger  // nil: no log
}

// An Uplink is the prober's end of the transport. It forwards the near queue to the far one and asks the
// centre's services. Its methods may be called from any goroutine. Run must be running.
type Uplink struct {
	o       UplinkOptions
	id      Identity
	log     *slog.Logger
	pace    *rate.Limiter // of messages on Late
	bytes   *rate.Limiter
	proofs  *rate.Limiter // of evidence
	redial  time.Duration // first wait between attempts to connect; tests make it short
	ready   chan struct{} // closed when link is set
	started chan struct{} // closed when what is put from then on goes on Live
	link    *link

	done Message // of the near queue, the last that was dealt with; of Late alone

	mu         sync.Mutex
	status     UplinkStatus
	told       map[Refusal]time.Time
	complained map[string]time.Time
}

// UplinkStatus is the state of an uplink, for metrics and for people.
type UplinkStatus struct {
	Connected bool
	Since     time.Time         // of the connection, or of its loss; zero before the first
	Sent      map[Lane]int64    // messages that the centre has taken
	Refused   map[Refusal]int64 // answers of the centre; what was refused is sent again, unless it can never be taken
	Lost      int64             // messages that the centre can never take
	LastError string            // the newest fault of the connection, also after it is over
}

// NewUplink makes an uplink; Run connects it.
func NewUplink(o UplinkOptions) (*Uplink, error) {
	id := Identity{Region: o.Credentials.Region, Prober: o.Credentials.Prober}
	if err := id.check(); err != nil {
		return nil, fmt.Errorf("make the uplink: %w", err)
	}
	u := &Uplink{
		o: o, id: id, log: o.Logger, redial: redialFirst, ready: make(chan struct{}), started: make(chan struct{}),
		pace: rate.NewLimiter(lateRate, lateMessages), bytes: rate.NewLimiter(lateBytes, lateGroup),
		proofs: rate.NewLimiter(evidenceRate, evidenceRate),
		told:   make(map[Refusal]time.Time), complained: make(map[string]time.Time),
		status: UplinkStatus{Sent: make(map[Lane]int64), Refused: make(map[Refusal]int64)},
	}
	if u.log == nil {
		u.log = slog.New(slog.DiscardHandler)
	}
	return u, nil
}

// Run connects, and connects again for ever, and forwards what is in the near queue: what is fresh at once, and what could
// not be sent when it was fresh as soon as the centre takes it. It blocks until ctx ends and then returns nil. It
// returns an error if the credentials cannot be used or the queue is closed. It is called once.
func (u *Uplink) Run(ctx context.Context) error {
	link, err := u.connect()
	if err != nil {
		return fmt.Errorf("connect to the aggregator: %w", err)
	}
	defer link.close()
	u.link = link
	close(u.ready)
	from, err := u.begin(ctx)
	if err != nil {
		return fmt.Errorf("forward the near queue: %w", err)
	}
	l := newLedger(from)
	close(u.started)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return u.runFresh(ctx, l) })
	g.Go(func() error { return u.runLate(ctx, l) })
	g.Go(func() error { return u.o.Queue.ConsumeEvidence(ctx, u.sendEvidence) })
	return g.Wait()
}

// Plan asks for the region's plan.
func (u *Uplink) Plan(ctx context.Context, request []byte) ([]byte, error) {
	return u.ask(ctx, subjectOf(planSubject, u.id.Region, u.id.Prober), request)
}

// Beat tells that the prober is alive, and returns what the centre has to say to that.
func (u *Uplink) Beat(ctx context.Context, beat []byte) ([]byte, error) {
	return u.ask(ctx, subjectOf(beatSubject, u.id.Region, u.id.Prober), beat)
}

// ask sends a request and waits for the answer. While there is no connection it fails at once with ErrAway.
func (u *Uplink) ask(ctx context.Context, subject string, request []byte) ([]byte, error) {
	select {
	case <-u.ready:
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrAway, ctx.Err())
	}
	q, err := u.link.asker.send(subject, request)
	if err != nil {
		return nil, err
	}
	return q.answer(ctx)
}

// Status tells how the uplink is.
func (u *Uplink) Status() UplinkStatus {
	u.mu.Lock()
	defer u.mu.Unlock()
	st := u.status
	st.Sent, st.Refused = maps.Clone(st.Sent), maps.Clone(st.Refused)
	return st
}

// took counts what the centre took, and what it refused, which is logged once an hour for each reason. That a lane is
// full is no news: so the centre tells to wait.
func (u *Uplink) took(lane Lane, err error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	var refused *RefusedError
	if err == nil {
		u.status.Sent[lane]++
		return nil
	}
	if !errors.As(err, &refused) {
		return err
	}
	u.status.Refused[refused.Reason]++
	if now := time.Now(); refused.Reason != RefusedFull && now.Sub(u.told[refused.Reason]) >= tellAgain {
		u.told[refused.Reason] = now
		u.log.Warn("the aggregator does not take what is sent; it is kept and sent again", "lane", string(lane), "reason", string(refused.Reason))
	}
	return err
}

// backoff is the wait before attempt n, with jitter, so that many probers do not come at once when the centre is back.
func (u *Uplink) backoff(n int) time.Duration {
	d := min(u.redial<<min(n, 16), redialMost)
	return d/2 + rand.N(d/2+1)
}

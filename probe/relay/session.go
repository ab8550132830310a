package relay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gaikei/gaikei/probe/wire"
)

const (
	nearStream     = "NEAR"
	evidenceStream = "EVIDENCE"
	readerName     = "reader" // of the durable consumer of either stream

	evidenceBytes = 4 << 20
	evidenceMax   = 64 << 10 // of one piece
	putTimeout    = 10 * time.Second

	// Each stream has its bound. One of the whole server would not let a stream be opened with much less room than it had.
	storeUnbounded = 1 << 50
)

// A session is the server from one opening to the next, or a connection to one elsewhere. After a fault of the
// disk a server stays broken, so it is the whole session that is replaced.
type session struct {
	ctx    context.Context // ends with the session, and with it what reads from it
	end    context.CancelFunc
	server *server.Server // nil if it is elsewhere
	conn   *nats.Conn
	js     jetstream.JetStream
	log    *serverLog
	failed error // the first put that failed, guarded by keeper.mu; no more are tried then
}

// A blueprint says how to open a session.
type blueprint struct {
	log     *serverLog
	options *server.Options            // of the server; nil if it is elsewhere
	started func(*server.Server) error // makes the server ready for connections; nil: it is
	dial    func(*server.Server) (*nats.Conn, error)
	streams []jetstream.StreamConfig
	keep    func(had *jetstream.StreamInfo, c jetstream.StreamConfig) jetstream.StreamConfig // nil: what is configured holds
	reader  func(jetstream.StreamConfig) jetstream.ConsumerConfig
}

func openSession(ctx context.Context, b blueprint) (*session, error) {
	s := &session{log: b.log}
	s.ctx, s.end = context.WithCancel(context.WithoutCancel(ctx))
	if b.options != nil {
		if err := s.start(b); err != nil {
			s.close()
			return nil, err
		}
	}
	if err := s.connect(ctx, b); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) start(b blueprint) (err error) {
	if s.server, err = server.NewServer(b.options); err != nil {
		return fmt.Errorf("configure the server: %w", err)
	}
	s.server.SetLoggerV2(s.log, false, false, false)
	s.server.Start()
	if err := s.log.fatal(); err != nil {
		return fmt.Errorf("start the server: %w", err)
	}
	if !s.server.JetStreamEnabled() {
		return fmt.Errorf("start the server: %s", s.log.complaint())
	}
	if b.started != nil {
		return b.started(s.server)
	}
	return nil
}

func (s *session) connect(ctx context.Context, b blueprint) (err error) {
	if s.conn, err = b.dial(s.server); err != nil {
		return fmt.Errorf("connect to the server: %w", err)
	}
	if s.js, err = jetstream.New(s.conn, jetstream.WithPublishAsyncTimeout(putTimeout), jetstream.WithPublishAsyncMaxPending(1<<20)); err != nil {
		return fmt.Errorf("connect to the server: %w", err)
	}
	for _, c := range b.streams {
		if c, err = s.adjust(ctx, b, c); err != nil {
			return fmt.Errorf("look at stream %s: %w", c.Name, err)
		}
		if _, err := s.js.CreateOrUpdateStream(ctx, c); err != nil {
			return fmt.Errorf("open stream %s: %w (the server says: %s)", c.Name, err, s.log.complaint())
		}
		// Made at once, not when somebody first reads: it is by the reader's place that drops are noticed.
		if _, err := s.js.CreateOrUpdateConsumer(ctx, c.Name, b.reader(c)); err != nil {
			return fmt.Errorf("open the reader of stream %s: %w", c.Name, err)
		}
	}
	return nil
}

// adjust lets a stream that is there already have a say in how it is to be.
func (s *session) adjust(ctx context.Context, b blueprint, c jetstream.StreamConfig) (jetstream.StreamConfig, error) {
	if b.keep == nil {
		return c, nil
	}
	had, err := s.js.Stream(ctx, c.Name)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return c, nil
	case err != nil:
		return c, err
	}
	return b.keep(had.CachedInfo(), c), nil
}

// blueprint is that of the near queue.
func (q *Queue) blueprint() blueprint {
	return blueprint{
		log: q.server, options: serverOptions(q), streams: streams(q), reader: readerOf,
		dial: func(s *server.Server) (*nats.Conn, error) {
			return nats.Connect("", nats.InProcessServer(s), nats.NoReconnect(), nats.ErrorHandler(silent))
		},
	}
}

func serverOptions(q *Queue) *server.Options {
	return &server.Options{
		ServerName: "gaikei-near",
		DontListen: true,
		NoSigs:     true,
		JetStream:  true,
		StoreDir:   q.dir,
		// Otherwise a put is acknowledged up to two minutes before it is synced.
		SyncAlways:             true,
		JetStreamMaxMemory:     2 * evidenceBytes,
		JetStreamMaxStore:      storeUnbounded,
		MaxPayload:             wire.MaxMessage + 4<<10,
		DisableJetStreamBanner: true,
		NoSystemAccount:        true,
		MaxClosedClients:       1,
	}
}

// readerOf is the durable consumer of a stream.
func readerOf(c jetstream.StreamConfig) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:       readerName,
		DeliverPolicy: jetstream.DeliverAllPolicy,
		AckPolicy:     jetstream.AckExplicitPolicy,
		AckWait:       ackWait,
		MaxAckPending: 2 * maxBatch,
		MemoryStorage: c.Storage == jetstream.MemoryStorage,
	}
}

func streams(q *Queue) []jetstream.StreamConfig {
	return []jetstream.StreamConfig{{
		Name:      nearStream,
		Subjects:  []string{resultSubject + "*.*"},
		Retention: jetstream.LimitsPolicy,
		Discard:   jetstream.DiscardOld,
		Storage:   jetstream.FileStorage,
		MaxAge:    q.maxAge,
		MaxBytes:  q.maxBytes,
	}, {
		Name:      evidenceStream,
		Subjects:  []string{evidenceSubject + "*.*"},
		Retention: jetstream.WorkQueuePolicy,
		Discard:   jetstream.DiscardOld,
		Storage:   jetstream.MemoryStorage,
		MaxBytes:  evidenceBytes,
	}}
}

// silent takes the client's errors: who waits for an answer has them too, and without it they are printed.
func silent(*nats.Conn, *nats.Subscription, error) {}

// close stops the server and waits until it has let go of its files.
func (s *session) close() {
	s.end()
	if s.conn != nil {
		s.conn.Close()
	}
	if s.server != nil {
		s.server.Shutdown()
		s.server.WaitForShutdown()
	}
}

// publish puts one message; nil means that it is synced to disk. An error means nothing: it may be there.
func publish(ctx context.Context, s *session, subject string, msg []byte) error {
	ctx, refuse := context.WithCancelCause(ctx)
	defer refuse(nil)
	defer s.log.watch(refuse)()
	ctx, cancel := context.WithTimeout(ctx, putTimeout)
	defer cancel()
	_, err := s.js.Publish(ctx, subject, msg, jetstream.WithExpectStream(nearStream), jetstream.WithRetryAttempts(0))
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return fmt.Errorf("put a message of %d bytes to %s: %w", len(msg), subject, err)
	}
	return nil
}

// alive reports a server that has given up by itself.
func (s *session) alive() error {
	if s.server != nil && !s.server.JetStreamEnabled() || s.conn.IsClosed() {
		return errors.New("the queue's server has stopped: " + s.log.complaint())
	}
	return nil
}

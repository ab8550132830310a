package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/gofrs/flock"
)

const (
	defaultProbers = 64
	answerTimeout  = 15 * time.Second // after which the centre's answer to a message or request comes too late
	mendEvery      = time.Second
)

// HubOptions say where the centre's end of the transport is, and who may connect.
type HubOptions struct {
	Dir       string // folder of the embedded server, made if need be; one process at a time can open it
	Listen    string // host:port for nats:// and tls://; port 0 takes any; empty: not listened
	Websocket string // host:port for ws:// and wss://; as Listen

	// TLS is used unless only this machine can connect, there are no names and no files. If no files are given, a CA and a
	// certificate are made in DIR/tls.
	Names             []string // host names and addresses that probers reach the centre by
	CertFile, KeyFile string   // PEM, read again when they change
	CAFile            string   // PEM, given to probers with their credentials; empty: they trust the system's

	// Admit says whose key a public key is, and whether it may connect. It is called at every connection, one call at a time,
	// and must answer from memory. It must not call the Hub. Not used with a server elsewhere.
	Admit func(publicKey string) (Identity, bool)

	// Elsewhere is the server to use instead of one in this process. Then nothing above is used. nil: one in this process.
	Elsewhere *Elsewhere

	MaxBytes int64        // of each of the lanes Live and Late; 0: 1 GiB or a quarter of the free disk, whichever is less; elsewhere 1 GiB
	Probers  int          // expected; each may fill its share of a lane and no more; 0: 64
	Logger   *slog.Logger // nil: no log
}

// A Hub is the centre's end: the server that probers connect to, the far queue, and the services that they ask. Its
// methods may be called from any goroutine. Run must be running for messages to be taken and faults to be repaired.
type Hub struct {
	*keeper
	o     HubOptions
	lock  *flock.Flock // nil with a server elsewhere
	key   key          // the centre's own, made for this process
	gate  *gate        // nil with a server elsewhere
	peers peers
	certs *certificates // nil: no TLS

	offences offences
	drops    drops
}

// OpenHub locks the folder, starts the server and opens the far queue. Probers can connect when it returns; what they
// send is taken once Run runs. An error that wraps ErrLocked says that another process has the folder. A server elsewhere
// is given a minute. The context bounds the opening only.
func OpenHub(ctx context.Context, o HubOptions) (*Hub, error) {
	if o.Probers == 0 {
		o.Probers = defaultProbers
	}
	if o.Elsewhere != nil {
		return openElsewhere(ctx, o)
	}
	if err := os.MkdirAll(o.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("open the far queue: %w", err)
	}
	lock, err := lockFolder(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the far queue: %w", err)
	}
	h := &Hub{keeper: newKeeper("far queue", "probers keep their results", o.Dir, o.Logger), o: o, lock: lock}
	if err = h.prepare(); err == nil {
		h.session, err = h.open(ctx)
	}
	if err == nil {
		// The server has noted them in its options too: so a reopened one is to be found where the first one was.
		h.o.Listen, h.o.Websocket = listening(h.session.server)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the far queue in %s: %w", o.Dir, err), lock.Unlock())
	}
	return h, nil
}

func openElsewhere(ctx context.Context, o HubOptions) (_ *Hub, err error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	h := &Hub{keeper: newKeeper("far queue", "probers keep their results", "", o.Logger), o: o}
	h.open = func(ctx context.Context) (*session, error) { return openPatiently(ctx, h.blueprint(nil)) }
	if h.session, err = h.open(ctx); err != nil {
		return nil, fmt.Errorf("open the far queue at %v: %w", o.Elsewhere.Credentials.URLs, err)
	}
	return h, nil
}

// prepare makes what a server in this process needs.
func (h *Hub) prepare() (err error) {
	if h.o.MaxBytes == 0 {
		if h.o.MaxBytes, err = chooseMaxBytes(h.o.Dir); err != nil {
			return err
		}
	}
	if h.key, err = newKey(); err != nil {
		return err
	}
	if h.certs, err = openCertificates(h.o, h.log, time.Now()); err != nil {
		return err
	}
	h.gate = newGate(h, h.o.Admit)
	h.keeper.server.clients = &h.offences
	h.leave = func(*session) { h.gate.shut() }
	options, err := h.serverOptions()
	if err != nil {
		return err
	}
	h.open = func(ctx context.Context) (*session, error) { return openSession(ctx, h.blueprint(options)) }
	return nil
}

// Run takes what the probers send, and repairs the far queue after faults. It blocks until ctx ends and then returns
// nil; after Close it returns ErrClosed. It is called once.
func (h *Hub) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- h.serve(ctx, resultSubject+"*.*.*", h.intake) }()
	tick, certs := time.NewTicker(mendEvery), time.NewTicker(certsEvery)
	defer tick.Stop()
	defer certs.Stop()
	for {
		select {
		case <-tick.C:
		case now := <-certs.C:
			h.certs.look(now)
		case <-h.kick:
		case err := <-done:
			return err
		}
		if h.gate != nil {
			h.gate.judge(h.offences.take())
		}
		if h.mend(ctx) {
			h.recovered()
		}
	}
}

// Close ends all connections, stops the server and unlocks the folder. Closing twice does nothing.
func (h *Hub) Close() error {
	if !h.shut() || h.lock == nil {
		return nil
	}
	if err := h.lock.Unlock(); err != nil {
		return fmt.Errorf("close the far queue: %w", err)
	}
	return nil
}

// Revoke ends the connections that were made with a key, at once. Admit must have ceased to admit the key before. With a
// server elsewhere it does nothing: that server ends them when it loads a ServerConfig without the key.
func (h *Hub) Revoke(publicKey string) {
	if h.gate == nil {
		return
	}
	h.gate.end(func(c connection) bool { return c.key == publicKey })
}

// Consume gives the messages of a lane to f, as Queue.Consume does, but in batches of about 8 MiB of which f is called for two
// at once, in no order, so that one is read while another is committed. Several processes at one server elsewhere share
// a lane. Stored is when the far queue took the message. One call at a time a lane.
func (h *Hub) Consume(ctx context.Context, lane Lane, f func(context.Context, []Message) error) error {
	return (&reader{
		k: h.keeper, drops: &h.drops, stream: laneStream(lane), prefix: farSubject + string(lane) + ".",
		evidence: lane == Evidence, shared: h.o.Elsewhere != nil, bytes: farBatch, atOnce: 2, f: f,
	}).run(ctx)
}

// URLs are where probers on this machine find the hub; with a server elsewhere, that server.
func (h *Hub) URLs() []string {
	if h.o.Elsewhere != nil {
		return h.o.Elsewhere.Credentials.URLs
	}
	client, web := "nats://", "ws://"
	if h.certs != nil {
		client, web = "tls://", "wss://"
	}
	var urls []string
	if h.o.Listen != "" {
		urls = append(urls, client+fromHere(h.o.Listen))
	}
	if h.o.Websocket != "" {
		urls = append(urls, web+fromHere(h.o.Websocket))
	}
	return urls
}

// CA is what probers are to trust, in PEM form, for their credentials; nil without TLS, or if it is a public CA's.
func (h *Hub) CA() []byte {
	if h.o.Elsewhere != nil {
		return h.o.Elsewhere.Credentials.CA
	}
	return h.certs.authority()
}

package relay

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gaikei/gaikei/probe/wire"
)

const (
	maxAnswer       = 300 << 10
	maxRequest      = 64 << 10
	maxPayload      = maxAnswer + 16<<10
	maxSubs         = 64 // of one connection
	maxPending      = 32 << 20
	perProberLeast  = 64 // messages of one prober in a lane, however little room there is
	evidenceKept    = 64 // pieces of evidence of one prober
	farEvidenceMax  = 32 << 20
	farAckWait      = 20 * time.Second // beyond it what a process has in hand comes to others as well
	maxControlLine  = 1 << 10
	tlsTimeout      = 5.0 // seconds
	headersRoom     = 4 << 10
	centreReconnect = 50 * time.Millisecond
)

func (h *Hub) blueprint(o *server.Options) blueprint {
	b := blueprint{log: h.keeper.server, options: o, streams: h.streams(), reader: farReader, keep: h.keepShare}
	if o == nil {
		b.dial = h.dialElsewhere
	} else {
		b.started, b.dial = h.gate.open, h.dial
	}
	return b
}

// dial connects the centre to its own server.
func (h *Hub) dial(s *server.Server) (*nats.Conn, error) {
	return nats.Connect("", nats.InProcessServer(s), nats.Nkey(h.key.public(), h.key.pair().Sign), nats.ErrorHandler(silent),
		nats.MaxReconnects(-1), nats.ReconnectWait(centreReconnect))
}

func (h *Hub) serverOptions() (*server.Options, error) {
	o := &server.Options{
		ServerName:                 "gaikei-far",
		DontListen:                 h.o.Listen == "",
		NoSigs:                     true,
		JetStream:                  true,
		StoreDir:                   h.o.Dir,
		SyncAlways:                 true, // else what is acknowledged to a prober could be lost
		JetStreamMaxMemory:         2 * farEvidenceMax,
		JetStreamMaxStore:          storeUnbounded,
		MaxPayload:                 maxPayload,
		MaxSubs:                    maxSubs,
		MaxPending:                 maxPending,
		MaxControlLine:             maxControlLine,
		DisableJetStreamBanner:     true,
		NoSystemAccount:            true,
		MaxClosedClients:           1,
		AlwaysEnableNonce:          true,
		CustomClientAuthentication: h.gate,
		Accounts:                   []*server.Account{server.NewAccount(centreAccount)},
	}
	var err error
	if o.Host, o.Port, err = splitListen(h.o.Listen); err != nil {
		return nil, err
	}
	if o.Websocket.Host, o.Websocket.Port, err = splitListen(h.o.Websocket); err != nil {
		return nil, err
	}
	o.Websocket.NoTLS = true
	if h.certs != nil {
		o.TLSConfig, o.TLSTimeout = h.certs.config(), tlsTimeout
		o.Websocket.TLSConfig, o.Websocket.NoTLS = h.certs.config(), false
	}
	return o, nil
}

// splitListen reads host:port; port 0, any, is -1 to the server, and 0 is none.
func splitListen(address string) (string, int, error) {
	if address == "" {
		return "", 0, nil
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("listen on %q: %w, want host:port", address, err)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("listen on %q: port is %q, want a number up to 65535", address, port)
	}
	if n == 0 {
		return host, -1, nil
	}
	return host, int(n), nil
}

// listening tells where a server listens, as host:port; empty where it does not.
func listening(s *server.Server) (client, websocket string) {
	if a := s.Addr(); a != nil {
		client = a.String()
	}
	if _, address, ok := strings.Cut(s.WebsocketURL(), "://"); ok && !strings.HasSuffix(address, ":0") {
		websocket = address
	}
	return client, websocket
}

// fromHere is how this machine finds an address that a server listens on.
func fromHere(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		return net.JoinHostPort("localhost", port)
	}
	return address
}

// laneStream is the stream of a lane.
func laneStream(l Lane) string { return "FAR_" + strings.ToUpper(string(l)) }

// streams are the lanes. A lane that has no room refuses, which is the backpressure: probers keep what is refused. That
// holds for each prober as well, so that one that floods does not fill the lane for the others. By number, since the server
// cannot count bytes a prober: its share of the bytes, if all its messages were as large as they can be.
func (h *Hub) streams() []jetstream.StreamConfig {
	share := max(perProberLeast, h.o.MaxBytes/int64(h.o.Probers)/wire.MaxMessage)
	lane := func(l Lane) jetstream.StreamConfig {
		return jetstream.StreamConfig{
			Name:                 laneStream(l),
			Subjects:             []string{farSubject + string(l) + ".*.*"},
			Retention:            jetstream.WorkQueuePolicy,
			Discard:              jetstream.DiscardNew,
			DiscardNewPerSubject: true,
			Storage:              jetstream.FileStorage,
			MaxBytes:             h.o.MaxBytes,
			MaxMsgSize:           wire.MaxMessage + headersRoom,
			MaxMsgsPerSubject:    share,
			Duplicates:           time.Second, // not used; the least memory
		}
	}
	evidence := lane(Evidence)
	evidence.Discard, evidence.DiscardNewPerSubject = jetstream.DiscardOld, false
	evidence.Storage, evidence.MaxBytes = jetstream.MemoryStorage, farEvidenceMax
	evidence.MaxMsgSize, evidence.MaxMsgsPerSubject = evidenceMax+headersRoom, evidenceKept
	all := []jetstream.StreamConfig{lane(Live), lane(Late), evidence}
	if e := h.o.Elsewhere; e != nil && e.Replicas > 0 {
		for i := range all {
			all[i].Replicas = e.Replicas
		}
	}
	return all
}

// keepShare never makes the share of a lane smaller that has messages in it: the server would drop those beyond it,
// though it refuses new ones. Elsewhere it never does, since others may put messages in at the same time.
func (h *Hub) keepShare(had *jetstream.StreamInfo, c jetstream.StreamConfig) jetstream.StreamConfig {
	if had.State.Msgs > 0 || h.o.Elsewhere != nil {
		c.MaxMsgsPerSubject = max(c.MaxMsgsPerSubject, had.Config.MaxMsgsPerSubject)
	}
	return c
}

func farReader(c jetstream.StreamConfig) jetstream.ConsumerConfig {
	r := readerOf(c)
	r.AckWait = farAckWait
	r.MaxAckPending = 16 * maxBatch // over all who share the lane
	return r
}

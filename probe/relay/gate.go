package relay

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
)

const (
	centreAccount  = "GAIKEI"
	maxConnections = 4 // of one prober; two while its key is rotated, and as many that have died and not been noticed
	gateWait       = time.Second
	penalty        = 10 * time.Second // without connections after flooding
)

// A gate decides who may connect to the embedded server and as whom. Every prober has an account of its own, made
// when it first connects, which imports that prober's subjects from the centre and nothing else. One account for all of them would
// not do: the server carries the answer to a request back into the account it came from, on the reply subject that the
// client chose, and there it meets the imports again: a prober could have the centre's answers stored as results of another.
type gate struct {
	admit func(string) (Identity, bool)
	log   *slog.Logger
	peers *peers
	own   string // the centre's own public key

	mu      sync.Mutex
	ready   chan struct{}  // closed while there is a server
	server  *server.Server // nil until it is ready
	self    uint64         // the centre's own connection
	conns   map[uint64]connection
	banned  map[Identity]time.Time // until when
	refused map[Refusal]int64      // of those who did not prove who they are
	told    map[Refusal]time.Time
}

// A connection is one of a prober.
type connection struct {
	id    Identity
	key   string
	since time.Time
}

func newGate(h *Hub, admit func(string) (Identity, bool)) *gate {
	return &gate{
		admit: admit, log: h.log, peers: &h.peers, own: h.key.public(),
		ready: make(chan struct{}), banned: make(map[Identity]time.Time), refused: make(map[Refusal]int64), told: make(map[Refusal]time.Time),
	}
}

// open makes the gate that of a server that has just started.
func (g *gate) open(s *server.Server) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	account, err := s.LookupAccount(centreAccount)
	if err == nil {
		err = account.EnableJetStream(nil, nil)
	}
	if err != nil {
		return fmt.Errorf("make the aggregator's account: %w", err)
	}
	g.server, g.conns = s, make(map[uint64]connection)
	close(g.ready)
	return nil
}

// shut is called before the server is replaced.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.server != nil {
		g.server, g.ready = nil, make(chan struct{})
	}
}

// opened waits until the server is ready: it listens a little earlier.
func (g *gate) opened() bool {
	g.mu.Lock()
	ready := g.ready
	g.mu.Unlock()
	select {
	case <-ready:
		return true
	case <-time.After(gateWait):
		return false
	}
}

// Check implements server.Authentication.
func (g *gate) Check(c server.ClientAuthentication) bool {
	public := c.GetOpts().Nkey
	if !g.opened() {
		return false
	}
	if err := prove(c); err != nil {
		g.turnAway(RefusedSignature, c)
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.server == nil {
		return false
	}
	if public == g.own {
		account, err := g.server.LookupAccount(centreAccount)
		if err == nil {
			c.RegisterUser(&server.User{Account: account})
			g.self = c.GetID()
		}
		return err == nil
	}
	return g.let(c, public)
}

// let lets a prober in, if it may. It is called with mu held: so a key that is revoked meanwhile is either not
// admitted any more, or among the connections that are ended.
func (g *gate) let(c server.ClientAuthentication, public string) bool {
	id, ok := g.admit(public)
	if !ok || id.check() != nil {
		g.note(RefusedUnknownKey, c.RemoteAddress().String())
		return false
	}
	if why := g.bound(id); why != "" {
		g.peers.of(id).refuse(g.log, why, 0)
		return false
	}
	account, err := g.account(id)
	if err != nil {
		g.log.Error("a prober cannot be let in", "region", id.Region, "prober", id.Prober, "error", err)
		return false
	}
	c.RegisterUser(&server.User{Username: public, Account: account, Permissions: permissions(id)})
	g.peers.of(id) // known from now on
	g.conns[c.GetID()] = connection{id: id, key: public, since: time.Now()}
	return true
}

// bound says why a prober may have no more connections, or nothing. It is called with mu held.
func (g *gate) bound(id Identity) Refusal {
	if time.Now().Before(g.banned[id]) {
		return RefusedFlooding
	}
	n := 0
	for _, c := range g.live() {
		if c.id == id {
			n++
		}
	}
	if n >= maxConnections {
		return RefusedConnections
	}
	return ""
}

// live forgets the connections that have ended and returns the others. It is called with mu held.
func (g *gate) live() map[uint64]connection {
	for n := range g.conns {
		if g.server.GetClient(n) == nil {
			delete(g.conns, n)
		}
	}
	return g.conns
}

// account returns the account of a prober, made if need be. It is called with mu held.
func (g *gate) account(id Identity) (*server.Account, error) {
	account, isNew := g.server.LookupOrRegisterAccount(id.account())
	if !isNew {
		return account, nil
	}
	centre, err := g.server.LookupAccount(centreAccount)
	if err != nil {
		return nil, err
	}
	for _, subject := range exported(id) {
		err := errors.Join(
			centre.AddServiceExport(subject, []*server.Account{account}),
			centre.SetServiceExportResponseThreshold(subject, answerTimeout),
			account.AddServiceImport(centre, subject, subject))
		if err != nil {
			return nil, fmt.Errorf("import %s: %w", subject, err)
		}
	}
	return account, nil
}

// permissions keep a prober even within its account to what it needs. Its account is what confines it.
func permissions(id Identity) *server.Permissions {
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: exported(id)},
		Subscribe: &server.SubjectPermission{Allow: []string{"_INBOX.>"}},
	}
}

// prove verifies that a client holds the private part of the key that it names.
func prove(c server.ClientAuthentication) error {
	if c.Kind() != server.CLIENT {
		return fmt.Errorf("connection of kind %d, want a client", c.Kind())
	}
	o := c.GetOpts()
	pub, err := nkeys.FromPublicKey(o.Nkey)
	if err != nil {
		return err
	}
	sig, err := base64.RawURLEncoding.DecodeString(o.Sig)
	if err != nil {
		return err
	}
	return pub.Verify(c.GetNonce(), sig)
}

func (g *gate) turnAway(why Refusal, c server.ClientAuthentication) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.note(why, c.RemoteAddress().String())
}

// note counts and logs a connection of somebody not known. It is called with mu held.
func (g *gate) note(why Refusal, from string) {
	g.refused[why]++
	if now := time.Now(); now.Sub(g.told[why]) >= tellAgain {
		g.told[why] = now
		g.log.Warn("refused a connection; this is told once an hour", "from", from, "reason", string(why), "count", g.refused[why])
	}
}

// ban ends the connections of a prober and takes no new ones for a while.
func (g *gate) ban(id Identity) {
	g.mu.Lock()
	already := time.Now().Before(g.banned[id])
	g.banned[id] = time.Now().Add(penalty)
	g.mu.Unlock()
	if !already {
		g.log.Error("a prober floods the aggregator; its connections are ended for a while", "region", id.Region, "prober", id.Prober, "for", penalty)
	}
	g.end(func(c connection) bool { return c.id == id })
}

// end ends connections.
func (g *gate) end(which func(connection) bool) {
	g.mu.Lock()
	var ids []uint64
	for n, c := range g.conns {
		if which(c) {
			ids = append(ids, n)
		}
	}
	s := g.server
	g.mu.Unlock()
	slices.Sort(ids)
	for _, n := range ids {
		_ = s.DisconnectClientByID(n) // fails for one that has ended by itself
	}
}

// present returns the connections there are.
func (g *gate) present() []connection {
	g.mu.Lock()
	defer g.mu.Unlock()
	var cs []connection
	if g.server != nil {
		for _, c := range g.live() {
			cs = append(cs, c)
		}
	}
	return cs
}

package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A lookup is what resolving one name in one family came to.
type lookup struct {
	addrs  []netip.Addr // in the resolver's order; empty unless reason is ReasonNone
	reason Reason       // ReasonNone, or a resolve or own reason
	err    error        // for people; nil exactly when reason is ReasonNone
	lost   int          // queries that had to be sent again
	// answered: a reply came over the network and it was the resolver's word about the name (it exists, or
	// not, or has no such records). The hosts file, SERVFAIL and REFUSED are no such reply.
	answered bool
}

// resolverAnswers asks the system's resolver for name, which should be one that no cache holds. answered:
// the resolver had a word about it (NXDOMAIN and no data count; SERVFAIL, REFUSED, silence and the hosts
// file do not). positive: it moreover has IPv4 addresses.
func (w *World) resolverAnswers(ctx context.Context, name string) (answered, positive bool) {
	l := w.ask(ctx, name, IPv4)
	return l.answered, l.answered && len(l.addrs) > 0
}

// ask finds the addresses of host in one family, by the system's resolver: the hosts file first, then the
// servers of resolv.conf. Names are taken as absolute; search domains do not apply, or what is probed would
// depend on the machine. A literal address is returned as it is and never touches the resolver. It returns
// within the context and is safe for concurrent use.
func (w *World) ask(ctx context.Context, host string, f Family) lookup {
	if ip, err := netip.ParseAddr(host); err == nil {
		return literal(ip, f)
	}
	if w.extra != nil && len(w.extra.resolvers) > 0 {
		return w.askNamed(ctx, host, f)
	}
	network := "ip4"
	if f == IPv6 {
		network = "ip6"
	}
	if addrs := hostsFile(ctx, network, host); len(addrs) > 0 {
		return lookup{addrs: addrs}
	}
	watch := resolverWatch{world: w}
	// A resolver of its own for each question: a shared one would merge concurrent questions, and what was
	// seen on the wire could no longer be told apart.
	r := net.Resolver{PreferGo: true, Dial: watch.dial}
	addrs, err := r.LookupNetIP(ctx, network, strings.TrimSuffix(host, ".")+".")
	seen := watch.close()
	l := lookup{lost: seen.lost, answered: seen.replied && (seen.rcode == rcodeSuccess || seen.rcode == rcodeNameError)}
	if err == nil && len(addrs) > 0 {
		l.addrs = unmapped(addrs)
		return l
	}
	if err == nil {
		err = errors.New("no addresses")
	}
	l.reason = seen.reason(ctx)
	if _, found := errors.AsType[*net.AddrError](err); found && !seen.replied {
		l.reason = DNSNoData // the hosts file has the name, with addresses of the other family
	}
	l.err = fmt.Errorf("resolve %s (IPv%d): %w", strings.TrimSuffix(host, "."), f, err)
	return l
}

// hostsFile looks up a name without dots in the hosts file only. net.Resolver finds such a name there only
// as it is, without the root dot, and would then also try it in the search domains.
func hostsFile(ctx context.Context, network, host string) []netip.Addr {
	if strings.Contains(host, ".") {
		return nil
	}
	r := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) { return nil, errHostsOnly }}
	addrs, err := r.LookupNetIP(ctx, network, host)
	if err != nil {
		return nil
	}
	return unmapped(addrs)
}

var errHostsOnly = errors.New("only the hosts file is asked")

func unmapped(addrs []netip.Addr) []netip.Addr {
	for i, a := range addrs {
		addrs[i] = a.Unmap()
	}
	return addrs
}

func literal(ip netip.Addr, f Family) lookup {
	if FamilyOf(ip) == f {
		return lookup{addrs: []netip.Addr{ip.Unmap()}}
	}
	return lookup{reason: DNSNoData, err: fmt.Errorf("%s is not an IPv%d address", ip, f)}
}

// The response codes that matter for finding an address (RFC 1035, section 4.1.1).
const (
	rcodeSuccess   = 0
	rcodeNameError = 3
	rcodeRefused   = 5
)

// wireView is what was seen of one question on the wire.
type wireView struct {
	replied bool
	rcode   byte
	lost    int
	broken  error // our own side: the resolver cannot be used at all
}

func (v wireView) reason(ctx context.Context) Reason {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return Stopped
	case v.replied && v.rcode == rcodeSuccess:
		return DNSNoData
	case v.replied && v.rcode == rcodeNameError:
		return DNSNXDomain
	case v.replied && v.rcode == rcodeRefused:
		return DNSRefused
	case v.replied:
		return DNSServfail
	case v.broken != nil:
		return Resolver
	}
	return DNSTimeout
}

// A resolverWatch watches the exchanges of one question. The zero value with a world is ready.
type resolverWatch struct {
	world *World

	mu     sync.Mutex
	view   wireView
	conns  []net.Conn
	closed bool
}

// close ends whatever is still open: net.Resolver leaves its last read behind when the context ends.
func (r *resolverWatch) close() wireView {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, c := range r.conns {
		_ = c.Close()
	}
	return r.view
}

// dial serves net.Resolver, which sends datagrams if and only if it is given a net.PacketConn.
func (r *resolverWatch) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := r.world.connectAny(ctx, network, address) // the system's own resolver is no target
	if err != nil {
		r.note(err)
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		_ = c.Close()
		return nil, net.ErrClosed
	}
	r.conns = append(r.conns, c)
	if strings.HasPrefix(network, "udp") {
		return &watchedUDP{Conn: c, watch: r}, nil
	}
	return &watchedTCP{Conn: c, watch: r}, nil
}

// note keeps a fault that is ours: nothing listens at the configured resolver, or there is no way to it.
func (r *resolverWatch) note(err error) {
	if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ENETUNREACH) && !isLocalFault(err) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.view.broken = err
}

func (r *resolverWatch) reply(header []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.view.replied, r.view.rcode = true, header[3]&0xf
}

func (r *resolverWatch) repeated() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.view.lost++
}

// dnsHeader is the size of a DNS message's header.
const dnsHeader = 12

// isReply reports whether msg begins like a reply to query: same ID, response bit.
func isReply(msg, query []byte) bool {
	if len(msg) < dnsHeader || len(query) < dnsHeader || msg[2]&0x80 == 0 {
		return false
	}
	return binary.BigEndian.Uint16(msg) == binary.BigEndian.Uint16(query)
}

// A watchedUDP repeats its query once and keeps the head of the reply.
type watchedUDP struct {
	net.Conn
	watch *resolverWatch
	asker repeater
}

// SetDeadline keeps the deadline, because reading needs to set shorter ones.
func (c *watchedUDP) SetDeadline(t time.Time) error {
	c.asker.deadline = t
	return c.Conn.SetDeadline(t)
}

// Write sends a query.
func (c *watchedUDP) Write(b []byte) (int, error) {
	c.asker.conn = c.Conn
	err := c.asker.send(b)
	if err != nil {
		c.watch.note(err)
		return 0, err
	}
	return len(b), nil
}

// Read waits for a reply and repeats the query once.
func (c *watchedUDP) Read(b []byte) (int, error) {
	before := c.asker.lost
	n, err := c.asker.read(b)
	if c.asker.lost > before {
		c.watch.repeated()
	}
	if err != nil {
		c.watch.note(err)
		return n, err
	}
	if isReply(b[:n], c.asker.query) {
		c.watch.reply(b)
	}
	return n, nil
}

// ReadFrom makes the connection a net.PacketConn, which is how net.Resolver knows datagrams.
func (c *watchedUDP) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := c.Read(b)
	return n, c.RemoteAddr(), err
}

// WriteTo completes net.PacketConn; the address is the connected one.
func (c *watchedUDP) WriteTo(b []byte, _ net.Addr) (int, error) { return c.Write(b) }

// A watchedTCP keeps the head of the first message that comes back.
type watchedTCP struct {
	net.Conn
	watch *resolverWatch
	head  []byte
}

// Read passes on what comes and looks at its first bytes: two of length, then the header.
func (c *watchedTCP) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	const want = 2 + dnsHeader
	if missing := want - len(c.head); missing > 0 && n > 0 {
		c.head = append(c.head, b[:min(n, missing)]...)
		if len(c.head) == want {
			c.watch.reply(c.head[2:])
		}
	}
	return n, err
}

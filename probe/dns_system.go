package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
)

// systemServer is the word for the first name server of the prober's resolv.conf. A host of that name is written with
// its root dot.
const systemServer = "system"

// systemName is asked for in order to see who would be asked. No such name exists (RFC 6761, section 6.4).
const systemName = "gaikei.invalid."

// systemServers returns the name servers of resolv.conf as net.Resolver reads it, in the order in which they
// are asked. Nothing is sent.
func systemServers(ctx context.Context) []netip.AddrPort {
	var servers []netip.AddrPort
	r := net.Resolver{PreferGo: true, Dial: func(_ context.Context, _, address string) (net.Conn, error) {
		if a, err := netip.ParseAddrPort(address); err == nil && !slices.Contains(servers, a) {
			servers = append(servers, a)
		}
		return nil, errOnlyNamed
	}}
	_, _ = r.LookupNetIP(ctx, "ip4", systemName)
	return servers
}

var errOnlyNamed = errors.New("the server is only named")

// errNoServer is a fault of the prober's machine.
var errNoServer = errors.New("resolv.conf names no server of a family that ip permits")

// server is where to ask. For the system's it is looked up now, for resolv.conf may change. It notes that there is none.
func (q *question) server() (destination, bool) {
	to := q.d.ready.to
	if to.host != systemServer {
		return to, true
	}
	servers := systemServers(q.ctx)
	for _, f := range to.ip.Families() {
		for _, s := range servers {
			if FamilyOf(s.Addr()) == f {
				return destination{host: s.Addr().String(), port: s.Port(), ip: to.ip}, true
			}
		}
	}
	r := Resolver
	if stopped(q.ctx) {
		r = Stopped
	}
	q.t.fail(r, errNoServer)
	return destination{}, false
}

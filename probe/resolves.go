package probe

import (
	"context"
	"errors"
	"net"
)

// resolvesBy asks the resolver that a world uses: NXDOMAIN too is an answer, a fault of the resolver is not.
func resolvesBy(w *World) func(ctx context.Context, name string) (answered, records bool) {
	r := &net.Resolver{PreferGo: true, Dial: w.Dial}
	return func(ctx context.Context, name string) (answered, records bool) {
		addrs, err := r.LookupNetIP(ctx, "ip", name+".")
		var dns *net.DNSError
		if errors.As(err, &dns) {
			return dns.IsNotFound, false
		}
		return err == nil, len(addrs) > 0
	}
}

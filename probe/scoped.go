package probe

import "slices"

// A scoped kind tells what the assertions of its checks may look at, and which phases its attempts can have.
type scoped interface {
	scope() scope
	phases() []Phase
}

// scope implements scoped. A redirect can lead from http to https.
func (h *HTTP) scope() scope {
	if h.ready.url.Scheme == "http" && h.ready.redirects.Max == 0 {
		return scopeHTTP
	}
	return scopeHTTPS
}

// phases implements scoped. A redirect can lead from an address to a name, and a proxy can have one.
func (h *HTTP) phases() []Phase {
	ps := append(h.ready.to.phases(), PhaseWait, PhaseRead)
	if (h.ready.redirects.Max > 0 || h.Proxy != nil) && ps[0] != PhaseResolve {
		ps = slices.Insert(ps, 0, PhaseResolve)
	}
	if h.scope() == scopeHTTPS {
		ps = append(ps, PhaseTLS)
	}
	return ps
}

// scope implements scoped.
func (c *TCP) scope() scope {
	switch secure, hears := c.ready.tls != nil, c.hears(); {
	case secure && hears:
		return scopeSecureTalk
	case secure:
		return scopeTLS
	case hears:
		return scopeTalk
	}
	return scopeTCP
}

// phases implements scoped.
func (c *TCP) phases() []Phase {
	ps := c.ready.to.phases()
	if c.ready.tls != nil {
		ps = append(ps, PhaseTLS)
	}
	if len(c.ready.moves) > 0 {
		ps = append(ps, PhaseExchange)
	}
	return ps
}

// scope implements scoped.
func (d *DNS) scope() scope {
	if d.ready.tls != nil {
		return scopeSecureDNS
	}
	return scopeDNS
}

// phases implements scoped.
func (d *DNS) phases() []Phase {
	ps := append(d.ready.to.phases(), PhaseExchange)
	if d.ready.tls != nil {
		ps = append(ps, PhaseTLS)
	}
	return ps
}

// phases are those of reaching a destination. That of the system's resolvers is an address.
func (to destination) phases() []Phase {
	if isIP(to.host) || to.host == systemServer {
		return []Phase{PhaseConnect}
	}
	return []Phase{PhaseResolve, PhaseConnect}
}

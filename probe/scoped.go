package probe

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
	ps := []Phase{PhaseConnect, PhaseWait, PhaseRead}
	if h.scope() == scopeHTTPS {
		ps = append(ps, PhaseTLS)
	}
	return withResolve(ps, h.ready.redirects.Max > 0 || h.Proxy != nil || !isIP(h.ready.to.host))
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
	ps := []Phase{PhaseConnect}
	if c.ready.tls != nil {
		ps = append(ps, PhaseTLS)
	}
	if len(c.ready.moves) > 0 {
		ps = append(ps, PhaseExchange)
	}
	return withResolve(ps, !isIP(c.ready.to.host))
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
	ps := []Phase{PhaseConnect, PhaseExchange}
	if d.ready.tls != nil {
		ps = append(ps, PhaseTLS)
	}
	return withResolve(ps, !isIP(d.ready.to.host))
}

func withResolve(ps []Phase, named bool) []Phase {
	if named {
		return append([]Phase{PhaseResolve}, ps...)
	}
	return ps
}

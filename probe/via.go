package probe

import "maps"

// A via is the way by which a check looks: from where, and who finds its target's address. The zero value is the system's.
type via struct {
	source    source
	resolvers string // for comparing
}

// via returns the controls that vouch for the attempts of a check. A check that looks from an address or an interface of its
// own, or asks resolvers of its own, is vouched for by the same controls, asked from there, and by those resolvers: that the
// region sees by another way says nothing about this one. They are made at first need and ask nobody until then.
func (c *Controls) via(x *extra) *Controls {
	if c.none() || x == nil || x.way == (via{}) {
		return c
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.ways[x.way]; v != nil {
		return v
	}
	from, by := *c.world, *c.world
	from.extra, by.extra = &extra{source: x.source}, &extra{resolvers: x.resolvers}
	o := c.options
	o.World = &from
	v := NewControls(o)
	v.resolve = by.resolverAnswers
	if c.ways == nil {
		c.ways = map[via]*Controls{}
	}
	c.ways[x.way] = v
	return v
}

// String tells the way for people; empty for the system's.
func (v via) String() string {
	text := v.source.dev
	if v.source.ip.IsValid() {
		text = v.source.ip.String()
	}
	if text != "" {
		text = " from " + text
	}
	if v.resolvers != "" {
		text += " by " + v.resolvers
	}
	return text
}

// others returns the controls of checks that look by another way.
func (c *Controls) others() map[via]*Controls {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.ways)
}

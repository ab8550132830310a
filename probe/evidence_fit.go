package probe

// maxEvidence bounds the texts of one piece of evidence, in bytes as JSON writes them: what is larger than 64 KiB does not
// travel, and a target could make sure that nobody sees why.
const maxEvidence = 48 << 10

// A purse is what is left of that for a piece of evidence.
type purse struct{ left int }

// afford reports whether the texts fit into what is left, and spends it.
func (p *purse) afford(texts ...string) bool {
	n := 0
	for _, s := range texts {
		n += 8 // quotes and a comma; the names of fields are few
		for i := range len(s) {
			switch c := s[i]; {
			case c < ' ', c == '"', c == '\\', c == '<', c == '>', c == '&', c == 0x7f:
				n += 6
			case c >= 0x80:
				n += 2 // two of the characters that JSON escapes have three bytes
			default:
				n++
			}
		}
	}
	if n > p.left {
		return false
	}
	p.left -= n
	return true
}

// fit leaves out of a detail what is too much, the most telling last. Its slices may be shared: they are cut, not changed.
func (d *Detail) fit() {
	p := &purse{maxEvidence}
	keep(p, &d.Error)
	keep(p, &d.StatusLine)
	d.Assertions = d.Assertions[:affordable(p, d.Assertions, func(o Observation) []string { return []string{o.What, o.Want, o.Got} })]
	if d.TLS != nil {
		t := *d.TLS
		t.Chain = t.Chain[:affordable(p, t.Chain, func(c Certificate) []string { return append([]string{c.Subject, c.Issuer}, c.Names...) })]
		d.TLS = &t
	}
	keep(p, &d.Message)
	keep(p, &d.Body)
	d.Headers = d.Headers[:affordable(p, d.Headers, func(s string) []string { return []string{s} })]
	d.Hops = d.Hops[:affordable(p, d.Hops, func(s string) []string { return []string{s} })]
	d.HopStatuses = d.HopStatuses[:affordable(p, d.HopStatuses, func(s string) []string { return []string{s} })]
}

func keep(p *purse, s *string) {
	if !p.afford(*s) {
		*s = ""
	}
}

// affordable is how many of the first items fit.
func affordable[T any](p *purse, items []T, texts func(T) []string) int {
	for i, item := range items {
		if !p.afford(texts(item)...) {
			return i
		}
	}
	return len(items)
}

package timeline

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/klauspost/compress/fse"
)

// A column is a list of numbers below numberLimit, whose length is known from elsewhere; of none there are no bytes:
//
//	coding  a byte
//	tokens  one: a byte that is every number's token; plain: a byte each; entropy: the number of bytes, then these:
//	        a block of Finite State Entropy as package fse writes it, with all tokens
//	rest    of each number above 63 the bits that its token leaves open, lowest first, without room in between
//
// A number up to 63 is its own token. Of a greater one the token tells how many bits it has and the three highest of
// them; it leaves the others open. So few of them are needed, though some numbers are large.
const (
	columnOne = iota
	columnPlain
	columnEntropy
)

const (
	numberLimit = 1 << 20
	ownTokens   = 64
	tokenLimit  = ownTokens + 4*(20-6) // of the numbers with 7 to 20 bits, four each
)

// tokenOf returns the token of a number, and how many of its bits that leaves open.
func tokenOf(v uint32) (token byte, open int) {
	if v < ownTokens {
		return byte(v), 0
	}
	open = bits.Len32(v) - 3
	return byte(ownTokens + 4*(open-4) + int(v>>open&3)), open
}

// openBits is how many bits a token leaves open.
func openBits(token byte) int {
	if token < ownTokens {
		return 0
	}
	return int(token-ownTokens)/4 + 4
}

// numbers are to be a column.
type numbers struct {
	all    []uint32
	tokens []byte // of all
}

// reset makes room for a number of numbers, to be set.
func (n *numbers) reset(count int) {
	n.all = slices.Grow(n.all[:0], count)[:count]
	n.tokens = slices.Grow(n.tokens[:0], count)[:count]
}

func (n *numbers) set(i int, v uint32) {
	n.all[i], n.tokens[i] = v, byte(v)
	if v >= ownTokens {
		n.tokens[i], _ = tokenOf(v)
	}
}

// cost estimates the bits of a column.
func (n *numbers) cost() float64 {
	var count [tokenLimit]int
	for _, t := range n.tokens {
		count[t]++
	}
	sum := 0.0
	for t, k := range count {
		if k > 0 {
			sum += float64(k) * (float64(openBits(byte(t))) + math.Log2(float64(len(n.tokens))/float64(k)))
		}
	}
	return sum
}

func (c *codec) appendColumn(b []byte, n *numbers) []byte {
	if len(n.all) == 0 {
		return b
	}
	return appendRest(c.appendTokens(b, n.tokens), n.all)
}

func (c *codec) appendTokens(b, tokens []byte) []byte {
	if isOne(tokens) {
		return append(b, columnOne, tokens[0])
	}
	// It fails where nothing is to be gained.
	if packed, err := fse.Compress(tokens, &c.fse); err == nil && len(packed)+binary.MaxVarintLen16 < len(tokens) {
		return append(binary.AppendUvarint(append(b, columnEntropy), uint64(len(packed))), packed...)
	}
	return append(append(b, columnPlain), tokens...)
}

func isOne(tokens []byte) bool {
	for _, t := range tokens {
		if t != tokens[0] {
			return false
		}
	}
	return true
}

func appendRest(b []byte, all []uint32) []byte {
	waiting, n := uint64(0), 0
	for _, v := range all {
		if v < ownTokens {
			continue
		}
		_, open := tokenOf(v)
		waiting |= uint64(v&(1<<open-1)) << n
		for n += open; n >= 8; n -= 8 {
			b = append(b, byte(waiting))
			waiting >>= 8
		}
	}
	if n > 0 {
		b = append(b, byte(waiting))
	}
	return b
}

// column takes n numbers, at most maxEntries, off the front. They are returned in the place of all.
func (r *blockReader) column(part string, n int, all []uint32) []uint32 {
	all = all[:0]
	tokens := r.tokens(part, n)
	open := 0
	for _, t := range tokens {
		if t >= tokenLimit {
			r.fail(part, "got token %d, want less than %d", t, tokenLimit)
			return all
		}
		open += openBits(t)
	}
	rest := r.bytes(part, (open+7)/8)
	if r.err != nil {
		return all
	}
	all = slices.Grow(all, n)[:n]
	waiting, have := uint64(0), 0
	for i, t := range tokens {
		all[i] = uint32(t)
		if t < ownTokens {
			continue
		}
		open := openBits(t)
		for ; have < open; have += 8 {
			waiting |= uint64(rest[0]) << have
			rest = rest[1:]
		}
		all[i] = uint32(4+(t-ownTokens)%4)<<open | uint32(waiting)&(1<<open-1)
		waiting, have = waiting>>open, have-open
	}
	return all
}

// tokens takes n tokens, which are valid until it is called again.
func (r *blockReader) tokens(part string, n int) []byte {
	if n == 0 {
		return nil
	}
	switch coding := r.number(part, columnEntropy); coding {
	case columnOne:
		return r.repeated(part, n)
	case columnPlain:
		return r.bytes(part, n)
	default:
		return r.unpacked(part, n)
	}
}

func (r *blockReader) repeated(part string, n int) []byte {
	one := r.bytes(part, 1)
	if r.err != nil {
		return nil
	}
	t := r.codec.tokens[:0]
	for range n {
		t = append(t, one[0])
	}
	r.codec.tokens = t
	return t
}

func (r *blockReader) unpacked(part string, n int) []byte {
	packed := r.bytes(part, int(r.number(part, int64(len(r.b)))))
	if r.err != nil {
		return nil
	}
	r.codec.fse.DecompressLimit = n + 1 // it fails at the limit
	t, err := fse.Decompress(packed, &r.codec.fse)
	if err != nil {
		r.fail(part, "decompress: %w", err)
		return nil
	}
	if len(t) != n {
		r.fail(part, "got %d numbers, want %d", len(t), n)
		return nil
	}
	return t
}

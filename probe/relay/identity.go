package relay

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nkeys"

	"github.com/gaikei/gaikei/probe/wire"
)

// An Identity is who a prober is. The centre takes it from the key that a connection has proved to hold, never from
// what is said in a message.
type Identity struct {
	Region, Prober string
}

func (i Identity) check() error {
	if err := errors.Join(wire.CheckName(i.Region), wire.CheckName(i.Prober)); err != nil {
		return fmt.Errorf("prober %q of region %q: %w", i.Prober, i.Region, err)
	}
	return nil
}

// compare orders by region and name.
func (i Identity) compare(o Identity) int {
	return cmp.Or(cmp.Compare(i.Region, o.Region), cmp.Compare(i.Prober, o.Prober))
}

// account is the name of the server's account of a prober: its own, so that it shares no subject with anybody.
func (i Identity) account() string {
	return "prober/" + strings.ReplaceAll(tail(i.Region, i.Prober), ".", "/")
}

// A Lane is one way from the probers to the centre. The words are stable.
type Lane string

// The lanes. A backlog is on a lane of its own, so that it never delays what is fresh.
const (
	Live     Lane = "live"     // results and epochs, as they come about
	Late     Lane = "late"     // those that could not go on Live at once
	Evidence Lane = "evidence" // lossy and bounded: the newest of each prober, in memory
)

// lanes are those of Lane's constants.
func lanes() []Lane { return []Lane{Live, Late, Evidence} }

// key is a key pair of ed25519. It is behind a function, since of whatever else the package fmt prints the bytes
// in one way or another.
type key struct {
	pair func() nkeys.KeyPair
}

func keyOf(pair nkeys.KeyPair) key { return key{func() nkeys.KeyPair { return pair }} }

func newKey() (key, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return key{}, fmt.Errorf("make a key: %w", err)
	}
	return keyOf(pair), nil
}

// public returns the public part, which starts with U; empty of the zero value.
func (k key) public() string {
	if k.pair == nil {
		return ""
	}
	p, err := k.pair().PublicKey()
	if err != nil {
		return "" // only of a pair that was wiped, and none is
	}
	return p
}

func isPublicKey(text string) bool { return nkeys.IsValidPublicUserKey(text) }

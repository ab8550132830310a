// Package wire is the form in which epochs, results and missed ranges travel and are journalled: a version
// byte, then a protobuf message (internal/pb/batch.proto) that holds results as columns over a table of
// check ids. It knows nothing of queues or stores. Evidence does not travel in it.
//
// A message is refused whole or read whole. Refused are other versions, fields that version 1 does not have,
// columns that disagree, and values that cannot be: what is read is either what a prober observed, or an error.
// Two kinds of number may be newer than the reader. A reason that it does not know is kept as its number:
// the outcome says what the slot came to, and the name appears when the reader is upgraded. A phase that it
// does not know is left out, since only diagnosis uses it.
package wire

//go:generate protoc --plugin=protoc-gen-go=./internal/pb/protoc-gen-go.sh --go_out=. --go_opt=module=github.com/gaikei/gaikei/probe/wire internal/pb/batch.proto

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/gaikei/gaikei/probe"
)

// Version is the first byte of every message.
const Version byte = 1

// MaxMessage is the size in bytes that no message exceeds.
const MaxMessage = 256 << 10

// ErrMalformed is what every error of Unmarshal wraps: the message can never be read by this version.
var ErrMalformed = errors.New("malformed message")

// Limits of single values, in both directions.
const (
	maxName     = 63
	maxInstant  = 253402300799999 // Unix ms, the end of the year 9999
	maxAttempts = math.MaxUint16
	maxLag      = math.MaxUint32 * time.Millisecond
)

// The bits of a result's flags.
const (
	outcomeMask   = 0b111
	flagUnder     = 1 << 3
	flagUnvouched = 1 << 4
	flagReason    = 1 << 5
	flagLatency   = 1 << 6
	flagAttempts  = 1 << 7
)

// maskAnnounced marks in a phase mask a result that its target announced: a phase of no length. The flags are full, a column
// of its own would make older readers refuse the message, and they leave out phases that they do not know.
const maskAnnounced = 1 << 31

// CheckName reports what is wrong with the name of a check, region or prober: names match
// [a-z0-9]([-a-z0-9.]*[a-z0-9])? and have at most 63 bytes.
func CheckName(name string) error {
	n := len(name)
	if n == 0 || n > maxName {
		return fmt.Errorf("name %.70q has %d bytes, want 1 to %d", name, n, maxName)
	}
	for i := range n {
		c := name[i]
		if c-'a' < 26 || c-'0' < 10 { // of a byte: what is less is more
			continue
		}
		if inside := i > 0 && i < n-1 && (c == '-' || c == '.'); !inside {
			return fmt.Errorf("name %q has %q at byte %d, want [a-z0-9]([-a-z0-9.]*[a-z0-9])?", name, c, i)
		}
	}
	return nil
}

func checkInstant(what string, ms int64) error {
	if ms < 0 || ms > maxInstant {
		return fmt.Errorf("%s is %d, want Unix ms in [0, %d]", what, ms, int64(maxInstant))
	}
	return nil
}

func checkEpoch(e *probe.Epoch) error {
	g := e.Grid
	switch {
	case g.Interval < 0 || g.Interval > maxInstant:
		return fmt.Errorf("interval is %d ms, want one in [0, %d]", g.Interval, int64(maxInstant))
	case g.Offset < 0 || g.Offset >= max(g.Interval, 1):
		return fmt.Errorf("offset is %d ms, want one in [0, %d)", g.Offset, max(g.Interval, 1))
	case e.Budget < 0 || e.Under < 0:
		return fmt.Errorf("budget is %v and threshold %v, want neither negative", e.Budget, e.Under)
	case e.Of > probe.OfUp:
		return fmt.Errorf("population is %d, want at most %d", e.Of, probe.OfUp)
	}
	return checkInstant("start", e.From)
}

func checkMissed(m *probe.MissedRange) error {
	if m.To <= m.From {
		return fmt.Errorf("range is [%d, %d), want an end after the start", m.From, m.To)
	}
	return errors.Join(checkInstant("start", m.From), checkInstant("end", m.To))
}

package probe

import (
	"context"
	"net"
	"time"
)

// A Kind is a way to look at one target. The struct that implements it is its configuration: exported
// fields with `yaml` tags, and `default` tags where the zero value is not the default. A Kind is decoded
// once, validated once, and then read by many goroutines at a time; Attempt must not change it.
type Kind interface {
	// Validate reports every fault and contradiction of the configuration, and prepares what Attempt
	// needs. It is called once, before the first Attempt.
	Validate() []Problem
	// Target tells what the kind dials, for vouching and for people.
	Target() Target
	// Attempt looks once. The deadline is the context's; it returns within it, whatever the target does.
	Attempt(ctx context.Context, w *World) Attempt
}

// Kinds is the table of kinds by their key in the configuration. A new kind is one file, one test, and
// one line here.
var Kinds = map[string]func() Kind{
	"http": func() Kind { return new(HTTP) },
	"tcp":  func() Kind { return new(TCP) },
	"dns":  func() Kind { return new(DNS) },
}

// A Problem is one fault in the configuration of a kind.
type Problem struct {
	Field   string // the key below the kind, dotted: "body.max_size"; empty for the whole
	Message string // what was found and what was wanted
	Hint    string // a way out, if there is one
}

// A Target is what a kind dials.
type Target struct {
	Host     string   // name or address, without port
	Port     int      // zero if the kind has none
	Families []Family // those that the configuration permits, preferred first
	Name     bool     // Host is a name that has to be resolved
	Via      string   // the proxy, host:port, that is dialled in its place; empty: none, or what the prober's environment says
	Text     string   // for people: "https://shop.example.com/health", without credentials
}

// A World is what an attempt may use of the machine it runs on. The zero value is the real one.
type World struct {
	// Egress says where attempts may connect to; nil is the default policy.
	Egress *Egress
	// Dial opens a connection; nil means a net.Dialer. Resolving goes through it as well. The egress policy
	// is applied before it is called and cannot be circumvented by it.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Secret resolves a reference ("env", "GAIKEI_SECRET_SHOP"); nil refuses every reference.
	Secret func(scheme, name string) (string, error)
	// UserAgent is sent by HTTP checks that set none; empty means "Gaikei".
	UserAgent string
	// ClockOffset tells how far the prober's wall clock is ahead of the aggregator's, as far as is known; nil means
	// not at all. A slot begun on a clock that is too far off is inconclusive{clock}.
	ClockOffset func() time.Duration
	// Wall reads the wall clock; nil means time.Now. Its monotonic reading is not used.
	Wall func() time.Time
	// Verbose makes kinds fill in the whole Detail of successful attempts too, for a person who looks on.
	Verbose bool

	extra *extra // of the check that an attempt is for; nil: nothing
}

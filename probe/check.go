package probe

import (
	"fmt"
	"slices"
	"time"
)

// A Check is one target, one kind, and how it is looked at. It is immutable once validated. Its tags are
// its configuration; the key of the kind ("http", "tcp", "dns") selects an entry of Kinds.
type Check struct {
	Name     string            `yaml:"name" required:"true"`
	ID       string            `yaml:"id"` // default: the name
	Kind     Kind              `yaml:",kind"`
	Interval time.Duration     `yaml:"interval" default:"30s"`
	Timeout  time.Duration     `yaml:"timeout" default:"10s"` // of one attempt
	Overlap  bool              `yaml:"overlap" default:"false"`
	Expect   Expect            `yaml:"expect" default:"reachable"`
	Client   Client            `yaml:"client"`
	Latency  LatencyObjective  `yaml:"latency"`
	Labels   map[string]string `yaml:"labels"`
	Groups   []string          `yaml:"groups"` // names that stand for the check, and for others that have them
	Enabled  bool              `yaml:"enabled" default:"true"`
	// Assert is expressions in CEL that must hold of an answer, after all that the kind itself wants.
	Assert []string `yaml:"assert"`
	Max    Limits   `yaml:"max"`
	// Source is the address or the interface to connect from; empty: as the system chooses.
	Source string `yaml:"source"`
	// Resolver is the addresses of those who are asked for the target's address, in this order; empty, or the word system:
	// those of the system.
	Resolver []string `yaml:"resolver"`

	extra *extra // made by Validate; nil: nothing that makes attempts different
}

// Client judges a slot as a client that tries again experiences it.
type Client struct {
	Retries int           `yaml:"retries" default:"0"`
	After   time.Duration `yaml:"after" default:"1s"` // wait before each further attempt
}

// LatencyObjective says which latency is good. It never changes an outcome.
type LatencyObjective struct {
	Under time.Duration `yaml:"under"`              // zero: none
	Of    Population    `yaml:"of" default:"valid"` // which slots the latency SLI counts
}

// A Population says which slots a latency SLI is over. Stored: never reorder.
type Population uint8

// The populations. The zero value is OfValid.
const (
	OfValid Population = iota // a bad slot is infinitely slow
	OfUp                      // bad slots are left out
)

var populationNames = [...]string{OfValid: "valid", OfUp: "up"}

// MarshalText writes the population as it is configured.
func (p Population) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// String returns the population's stable name.
func (p Population) String() string {
	if int(p) < len(populationNames) {
		return populationNames[p]
	}
	return fmt.Sprintf("population(%d)", uint8(p))
}

// UnmarshalText reads what String writes.
func (p *Population) UnmarshalText(text []byte) error {
	i := slices.Index(populationNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("found %q, wanted valid (a bad slot is infinitely slow) or up (bad slots are left out)", text)
	}
	*p = Population(i)
	return nil
}

// Budget is the longest time that the attempts of one slot can take, waits between them included.
func (c *Check) Budget() time.Duration {
	return time.Duration(c.Client.Retries+1)*c.Timeout + time.Duration(c.Client.Retries)*c.Client.After
}

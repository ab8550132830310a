package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/gaikei/gaikei/probe"
)

// A plan travels as a manifest, which is JSON, and chunks: a version byte and zstd over the JSON of some checks. A chunk
// is named by the SHA-256 of its bytes, so one that did not change has the same name in the next revision and need not
// travel again.

// PlanVersion is the version of manifests and chunks.
const PlanVersion = 1

// MaxChunk is the size in bytes that no chunk of a plan exceeds.
const MaxChunk = 256 << 10

const (
	maxChunkBody = 8 << 20 // before compression
	chunkBody    = 256 << 10
	chunkOdds    = 128 // of checks, one in so many ends a chunk
	maxChunks    = 100_000
)

// A Manifest names what a plan consists of.
type Manifest struct {
	Version    int      `json:"version"`
	Region     string   `json:"region"`
	Ordinal    int      `json:"ordinal"`
	Revision   int64    `json:"revision"`
	Activation int64    `json:"activation_ms"`
	Chunks     []string `json:"chunks"` // names, in order; the first has the controls
}

// A Pack is a plan as it travels: the manifest, and its chunks by name.
type Pack struct {
	Manifest Manifest
	Chunks   map[string][]byte
}

// chunk is the content of a chunk.
type chunk struct {
	Controls string         `json:"controls,omitempty"`
	Checks   []plannedCheck `json:"checks,omitempty"`
}

type plannedCheck struct {
	ID       string `json:"id"`
	Interval int64  `json:"interval_ns"`
	Budget   int64  `json:"budget_ns"`
	Under    int64  `json:"under_ns,omitempty"`
	Of       string `json:"of"`
	Expected bool   `json:"expected"`
	Block    string `json:"block"`
}

// PackPlan makes the pack of a plan. Where it cuts depends on the checks around the cut only, so a change of one check
// changes one chunk. The error names the check that no chunk can hold.
func PackPlan(p *probe.Plan) (*Pack, error) {
	pack := &Pack{
		Manifest: Manifest{Version: PlanVersion, Region: p.Region, Ordinal: p.Ordinal, Revision: p.Revision, Activation: p.Activation},
		Chunks:   map[string][]byte{},
	}
	if err := pack.add(chunk{Controls: string(p.Controls)}); err != nil {
		return nil, fmt.Errorf("plan of region %s: the controls: %w", p.Region, err)
	}
	var c chunk
	size := 0
	checks := slices.SortedFunc(slices.Values(p.Checks), func(a, b probe.PlannedCheck) int { return strings.Compare(a.ID, b.ID) })
	for i, x := range checks {
		c.Checks = append(c.Checks, plannedCheck{
			ID: x.ID, Interval: int64(x.Interval), Budget: int64(x.Budget), Under: int64(x.Under), Of: x.Of.String(),
			Expected: x.Expected, Block: string(x.Block),
		})
		size += len(x.Block)
		if i+1 < len(checks) && size+len(checks[i+1].Block) < chunkBody && !endsChunk(x.ID) {
			continue
		}
		if err := pack.add(c); err != nil {
			return nil, fmt.Errorf("plan of region %s: checks %s to %s: %w", p.Region, c.Checks[0].ID, x.ID, err)
		}
		c, size = chunk{}, 0
	}
	return pack, nil
}

func endsChunk(id string) bool {
	h := fnv.New32a()
	h.Write([]byte(id))
	return h.Sum32()%chunkOdds == 0
}

func (p *Pack) add(c chunk) error {
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return err
	}
	defer enc.Close()
	data := enc.EncodeAll(body, []byte{PlanVersion})
	if len(body) > maxChunkBody || len(data) > MaxChunk {
		return fmt.Errorf("they take %d bytes, %d compressed, want at most %d and %d", len(body), len(data), maxChunkBody, MaxChunk)
	}
	name := nameOf(data)
	p.Manifest.Chunks = append(p.Manifest.Chunks, name)
	p.Chunks[name] = data
	return nil
}

func nameOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// SamePlan reports whether two manifests say the same but for the revision and when it is active.
func SamePlan(a, b Manifest) bool {
	return a.Version == b.Version && a.Region == b.Region && a.Ordinal == b.Ordinal && slices.Equal(a.Chunks, b.Chunks)
}

// Marshal returns the manifest's bytes.
func (m Manifest) Marshal() []byte {
	data, _ := json.Marshal(m) // there is nothing in it that could fail
	return data
}

// ReadManifest reads what Marshal wrote. Its errors wrap ErrMalformed. Fields that it does not know are left out: what
// an older prober must not overlook comes with a new version.
func ReadManifest(data []byte) (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return Manifest{}, fmt.Errorf("%w: manifest of a plan: %w", ErrMalformed, err)
	}
	var err error
	switch {
	case m.Version != PlanVersion:
		err = fmt.Errorf("got version %d, want %d", m.Version, PlanVersion)
	case m.Revision < 1:
		err = fmt.Errorf("got revision %d, want at least 1", m.Revision)
	case m.Ordinal < 0:
		err = fmt.Errorf("got ordinal %d, want at least 0", m.Ordinal)
	case len(m.Chunks) == 0 || len(m.Chunks) > maxChunks:
		err = fmt.Errorf("got %d chunks, want 1 to %d", len(m.Chunks), maxChunks)
	default:
		err = errors.Join(CheckName(m.Region), checkInstant("activation", m.Activation))
	}
	for _, name := range m.Chunks {
		if raw, bad := hex.DecodeString(name); bad != nil || len(raw) != sha256.Size {
			err = errors.Join(err, fmt.Errorf("got chunk %.80q, want a SHA-256 in hex", name))
			break
		}
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("%w: manifest of a plan: %w", ErrMalformed, err)
	}
	return m, nil
}

// CheckChunk reports whether data is the chunk of this name.
func CheckChunk(name string, data []byte) error {
	if got := nameOf(data); got != name {
		return fmt.Errorf("%w: chunk of a plan: its SHA-256 is %s, want %s", ErrMalformed, got, name)
	}
	return nil
}

// Open makes the plan of its chunks. Its errors wrap ErrMalformed and name the chunk.
func (m Manifest) Open(chunk func(name string) ([]byte, error)) (*probe.Plan, error) {
	p := &probe.Plan{Region: m.Region, Ordinal: m.Ordinal, Revision: m.Revision, Activation: m.Activation}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxChunkBody))
	if err != nil {
		return nil, fmt.Errorf("open a plan: %w", err)
	}
	defer dec.Close()
	for _, name := range m.Chunks {
		data, err := chunk(name)
		if err == nil {
			err = CheckChunk(name, data)
		}
		if err == nil {
			err = open(dec, data, p)
		}
		if err != nil {
			return nil, fmt.Errorf("open plan %d of region %s: chunk %.12s…: %w", m.Revision, m.Region, name, err)
		}
	}
	return p, ordered(p)
}

// open adds what a chunk holds to a plan.
func open(dec *zstd.Decoder, data []byte, p *probe.Plan) error {
	if len(data) == 0 || data[0] != PlanVersion || len(data) > MaxChunk {
		return fmt.Errorf("%w: got %d bytes that begin with % x, want at most %d and version %d", ErrMalformed, len(data), data[:min(len(data), 1)], MaxChunk, PlanVersion)
	}
	body, err := dec.DecodeAll(data[1:], nil)
	if err != nil {
		return fmt.Errorf("%w: decompress: %w", ErrMalformed, err)
	}
	var c chunk
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&c); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	p.Controls = append(p.Controls, c.Controls...)
	for i := range c.Checks {
		x, err := c.Checks[i].planned()
		if err != nil {
			return fmt.Errorf("%w: check %.70q: %w", ErrMalformed, c.Checks[i].ID, err)
		}
		p.Checks = append(p.Checks, x)
	}
	return nil
}

func (x plannedCheck) planned() (probe.PlannedCheck, error) {
	p := probe.PlannedCheck{
		ID: x.ID, Interval: time.Duration(x.Interval), Budget: time.Duration(x.Budget), Under: time.Duration(x.Under),
		Expected: x.Expected, Block: []byte(x.Block),
	}
	if p.Interval < time.Millisecond || p.Budget < 0 || p.Under < 0 {
		return p, fmt.Errorf("got interval %v, budget %v and threshold %v, want an interval of at least 1ms and no negative time", p.Interval, p.Budget, p.Under)
	}
	return p, errors.Join(CheckName(x.ID), p.Of.UnmarshalText([]byte(x.Of)))
}

// ordered checks that the checks of a plan are in order, each once.
func ordered(p *probe.Plan) error {
	for i := 1; i < len(p.Checks); i++ {
		if p.Checks[i-1].ID >= p.Checks[i].ID {
			return fmt.Errorf("open plan %d of region %s: %w: check %q comes after %q, want them in order", p.Revision, p.Region, ErrMalformed, p.Checks[i].ID, p.Checks[i-1].ID)
		}
	}
	return nil
}

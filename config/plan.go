package config

import (
	"reflect"

	"github.com/gaikei/gaikei/probe"
)

// controlsBlock is the block of controls as a plan carries it.
type controlsBlock struct {
	Controls Controls `yaml:"controls" required:"true"`
}

// ControlsBlock returns the controls as one canonical block of YAML, from which ParseControls makes equal ones.
func ControlsBlock(c Controls) []byte {
	return newEncoder().bytes(reflect.ValueOf(controlsBlock{c}))
}

// ParseControls makes controls of what ControlsBlock returned, perhaps in a newer version: what this one does not know
// is a fault. name is for faults; the error, if any, is a Faults. Whether the controls suit the checks was told where
// both were written.
func ParseControls(name string, block []byte) (Controls, error) {
	d := newDecoder(name, noFiles)
	root := d.document(block)
	if root == nil {
		return Controls{}, d.err()
	}
	var b controlsBlock
	d.fresh(reflect.ValueOf(&b).Elem())
	d.value(root, reflect.ValueOf(&b).Elem(), "")
	if !d.bad[""] {
		d.controlKinds(&b.Controls)
	}
	return b.Controls, d.err()
}

// A Planner describes what probers are to do. The blocks in its plans are written once for all regions.
type Planner struct {
	file     *File
	controls []byte
	blocks   map[string][]byte // by id
}

// Planner returns the planner of a configuration.
func (f *File) Planner() *Planner {
	p := &Planner{file: f, controls: ControlsBlock(f.Controls), blocks: make(map[string][]byte, len(f.Checks))}
	for _, c := range f.Checks {
		if c.Enabled {
			p.blocks[c.ID] = Block(probed(c))
		}
	}
	return p
}

// probed is a check without what only the aggregator knows: a change of groups is no change of what probers do, and older ones
// need not understand it.
func probed(c *probe.Check) *probe.Check {
	if len(c.Groups) == 0 {
		return c
	}
	without := *c
	without.Groups = nil
	return &without
}

// Plan describes what the probers of a region are to do; revision and activation are left to who publishes it.
func (p *Planner) Plan(region string, ordinal int) *probe.Plan {
	plan := &probe.Plan{Region: region, Ordinal: ordinal, Controls: p.controls}
	for _, c := range p.file.Checks {
		if c.Enabled {
			plan.Checks = append(plan.Checks, probe.PlanOf(c, region, p.blocks[c.ID]))
		}
	}
	return plan
}

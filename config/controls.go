package config

import (
	"fmt"
	"slices"

	"github.com/gaikei/gaikei/probe"
)

// Controls says what proves that a region's own network is alive: targets, a preset, or None.
type Controls struct {
	None bool `yaml:"-"` // the literal none: nobody vouches
	// Quorum is how many controls of a family must succeed; zero means two, or as many as there are.
	Quorum  int          `yaml:"quorum"`
	Targets []probe.Kind `yaml:"targets"`
	Preset  string       `yaml:"preset"` // "root-dns", or empty
}

// rootDNS is the preset of the root name servers.
const rootDNS = "root-dns"

// UnmarshalText reads the scalar form, none.
func (c *Controls) UnmarshalText(text []byte) error {
	if string(text) != "none" {
		return fmt.Errorf("found %s, wanted {targets: …}, {preset: %s} or none", found(string(text)), rootDNS)
	}
	*c = Controls{None: true}
	return nil
}

// MarshalText writes the scalar form; it is empty for controls that have none.
func (c Controls) MarshalText() ([]byte, error) {
	if c.None {
		return []byte("none"), nil
	}
	return nil, nil
}

// Options returns the controls as probers take them, without a World.
func (c Controls) Options() probe.ControlOptions {
	o := probe.ControlOptions{Targets: c.Targets, Quorum: c.Quorum, None: c.None}
	if c.Preset == rootDNS {
		o.Targets = probe.RootDNSControls()
	}
	return o
}

// controls validates the controls, and what the checks need of them.
func (d *decoder) controls(f *File) {
	const path = "controls"
	if _, given := d.spots[path]; !given {
		return
	}
	c := &f.Controls
	if s, given := d.spots[path+".quorum"]; given && c.Quorum < 1 && d.sound(path+".quorum") {
		d.tell(s, fmt.Sprintf("found %d, wanted at least 1", c.Quorum), "leave it out for two, or as many as there are controls")
	}
	s, preset := d.spots[path+".preset"]
	switch {
	case preset && c.Preset != rootDNS && d.sound(path+".preset"):
		d.tell(s, "found "+found(c.Preset)+", wanted "+rootDNS, "")
	case preset && d.has(path+".targets"):
		d.tell(s, "found preset and targets, wanted one of them", "")
	}
	d.controlKinds(c)
	if d.sound(path+".targets") && d.sound(path+".preset") && d.sound("defaults.ip") {
		d.problems(path, probe.ValidateControls(c.Options(), d.soundChecks(f)))
	}
}

// controlKinds validates every target by itself, which prepares it too.
func (d *decoder) controlKinds(c *Controls) {
	for i, k := range c.Targets {
		if k != nil {
			path := fmt.Sprintf("controls.targets[%d].%s", i, kindOf(k))
			d.problems(path, k.Validate())
			d.oneOnly(k, path)
		}
	}
}

// soundChecks returns the checks of which it is known what they look at.
func (d *decoder) soundChecks(f *File) []*probe.Check {
	var cs []*probe.Check
	for i, c := range f.Checks {
		if c != nil && c.Kind != nil && d.sound(d.pathOf(i)) {
			cs = append(cs, c)
		}
	}
	return cs
}

// problems tells what a validation found, where the user wrote it. Nothing is said about what is at fault already.
func (d *decoder) problems(path string, ps []probe.Problem) {
	at := func(p probe.Problem) string {
		if p.Field == "" {
			return path
		}
		return join(path, p.Field)
	}
	ps = slices.DeleteFunc(slices.Clone(ps), func(p probe.Problem) bool { return !d.sound(at(p)) })
	for _, p := range ps {
		d.tell(d.where(at(p)), p.Message, p.Hint)
	}
}

// has reports whether the path is in the file.
func (d *decoder) has(path string) bool {
	_, ok := d.spots[path]
	return ok
}

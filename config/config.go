// Package config reads gaikei.yaml: strictly, completely, and with every fault told at once with its place.
// It turns what the user wrote into checks, controls, regions, maintenance and objectives. It starts
// nothing and keeps nothing, and it never resolves a secret: references stay references.
package config

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// A File is a valid configuration with every default filled in. It is not changed once it is read.
type File struct {
	Regions     []Region          `yaml:"regions" required:"true" example:"regions: {local: {}}"`
	Controls    Controls          `yaml:"controls" required:"true" example:"controls: {preset: root-dns}"`
	Checks      []*probe.Check    `yaml:"checks" required:"true" example:"checks: [{name: shop, http: {url: https://shop.example.com/}}]"`
	Maintenance []sli.Maintenance `yaml:"maintenance"`
	SLOs        []sli.SLO         `yaml:"slos"`
	Feeds       Feeds             `yaml:"feeds"`
	Notify      *Notify           `yaml:"notify"` // nil: nobody is told
	// Retention is how long slots are kept at full resolution.
	Retention time.Duration `yaml:"retention" default:"400d"`

	warnings []Warning
}

// A Region is a place where probers run, as it is configured. Regions keep the order of the file.
type Region struct {
	Name   string  `yaml:",key"`
	Weight float64 `yaml:"weight" default:"1"` // in combinations; 0: in none unless named
	// Ordinal moves the region's slots against those of other regions; nil: given in file order at first sight.
	Ordinal *int              `yaml:"ordinal"`
	Labels  map[string]string `yaml:"labels"`
}

// defaults are what checks share; each key stands for the same key of every check that leaves it out. They are
// merged into the checks, key by key, and not kept.
type defaults struct {
	Interval time.Duration          `yaml:"interval" default:"30s"`
	Timeout  time.Duration          `yaml:"timeout" default:"10s"`
	Client   probe.Client           `yaml:"client"`
	Latency  probe.LatencyObjective `yaml:"latency"`
	IP       probe.IPChoice         `yaml:"ip" default:"4"`
}

// source is the file as it is written.
type source struct {
	File     `yaml:",inline"`
	Defaults defaults `yaml:"defaults"`
}

// Options are what a configuration depends on besides its text. The zero value reads it without regard to
// the time.
type Options struct {
	// Now is the time against which one-off maintenance is past. The zero time passes all of it.
	Now time.Time
	// MaxRunning is how many overlapping attempts the probers may run; zero means 1024.
	MaxRunning int
}

// maxFile bounds the file: far more than 100,000 checks need.
const maxFile = 256 << 20

// Load reads and validates a file. Any fault of the configuration gives an error that is a Faults; other errors
// are about reading the file and wrap its fs.PathError.
func Load(path string, o Options) (*File, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read the configuration: %w", err)
	case info.Size() > maxFile:
		return nil, fmt.Errorf("read the configuration: %s has %d bytes, wanted at most %d", path, info.Size(), maxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return Parse(path, data, o)
}

// Parse validates a configuration that was read from the file called name. Files that it names are read from the
// folder of name. The error, if any, is a Faults.
func Parse(name string, data []byte, o Options) (*File, error) {
	d := newDecoder(name, filesBeside(name))
	return d.parse(data, o)
}

func (d *decoder) parse(data []byte, o Options) (*File, error) {
	root := d.document(data)
	if root == nil {
		return nil, d.err()
	}
	if root.Kind == yaml.MappingNode {
		d.defaults = child(root, "defaults")
	}
	var s source
	d.fresh(reflect.ValueOf(&s).Elem())
	d.value(root, reflect.ValueOf(&s).Elem(), "")
	d.validate(&s.File, o)
	if err := d.err(); err != nil {
		return nil, err
	}
	s.warnings = d.lint(&s.File)
	return &s.File, nil
}

// ParseCheck makes a check of what Block returned, perhaps in a newer version: what this one does not know is a
// fault. name is for faults; the error, if any, is a Faults.
func ParseCheck(name string, block []byte) (*probe.Check, error) {
	d := newDecoder(name, noFiles)
	root := d.document(block)
	if root == nil {
		return nil, d.err()
	}
	c := new(probe.Check)
	d.fresh(reflect.ValueOf(c).Elem())
	d.value(root, reflect.ValueOf(c).Elem(), "")
	if !d.bad[""] {
		d.check(c, "")
		d.oneOnly(c.Kind, kindOf(c.Kind))
		d.problems("expect", c.Expect.Validate(c.Expect.Unreachable))
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// child returns the value of a key of a mapping; nil if it is not there.
func child(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func (d *decoder) err() error {
	if len(d.faults) == 0 {
		return nil
	}
	d.faults.sort()
	return slices.Clip(d.faults)
}

// RegionNames returns the names of the regions in the order of the file.
func (f *File) RegionNames() []string {
	names := make([]string, len(f.Regions))
	for i, r := range f.Regions {
		names[i] = r.Name
	}
	return names
}

// Check returns the check with this id; nil if there is none.
func (f *File) Check(id string) *probe.Check {
	i := slices.IndexFunc(f.Checks, func(c *probe.Check) bool { return c.ID == id })
	if i < 0 {
		return nil
	}
	return f.Checks[i]
}

package sli

import "time"

// A Maintenance is a planned interval, recurring or once, in which outcomes do not count. Its tags are its
// configuration: either Cron and For, or From and To.
type Maintenance struct {
	Name     string        `yaml:"name"`
	Checks   []string      `yaml:"checks"` // ids; "all" for every check
	Cron     string        `yaml:"cron"`   // five fields, in Timezone
	For      time.Duration `yaml:"for"`    // elapsed time, whatever the clocks do
	Timezone string        `yaml:"timezone" default:"UTC"`
	From     time.Time     `yaml:"from"`
	To       time.Time     `yaml:"to"`
}

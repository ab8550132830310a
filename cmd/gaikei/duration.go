package main

import (
	"fmt"
	"time"

	"github.com/gaikei/gaikei/config"
)

// A prometheusDuration is a flag that takes a duration as the configuration does: 6h, 1d12h.
type prometheusDuration time.Duration

// String returns the duration; empty for none, so that help shows no default.
func (d *prometheusDuration) String() string {
	if *d == 0 {
		return ""
	}
	return config.FormatDuration(time.Duration(*d))
}

// Set reads a duration.
func (d *prometheusDuration) Set(text string) error {
	v, err := durationIn(text)
	*d = prometheusDuration(v)
	return err
}

// Type names the value for help; the usage text says more.
func (d *prometheusDuration) Type() string { return "duration" }

func (d prometheusDuration) of() time.Duration { return time.Duration(d) }

// durationIn reads a duration that was given with a flag, and tells how it would be written rightly.
func durationIn(text string) (time.Duration, error) {
	v, err := config.ParseDuration(text)
	if hint := config.DurationHint(text); err != nil && hint != "" {
		err = fmt.Errorf("%w (%s)", err, hint)
	}
	return v, err
}

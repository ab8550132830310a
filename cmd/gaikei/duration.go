package main

import (
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
	v, err := config.ParseDuration(text)
	*d = prometheusDuration(v)
	return err
}

// Type names the value for help; the usage text says more.
func (d *prometheusDuration) Type() string { return "duration" }

func (d prometheusDuration) of() time.Duration { return time.Duration(d) }

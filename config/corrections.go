package config

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// corrections is a file of corrections as somebody writes it.
type corrections struct {
	List []correction `yaml:"corrections" required:"true"`
}

type correction struct {
	// ID is required in a file, so that applying it twice changes nothing.
	ID       string            `yaml:"id" required:"true" example:"an id of your choice, which never stands for anything else: 2026-11-23-load-test"`
	Checks   []string          `yaml:"checks"`
	Labels   map[string]string `yaml:"labels"`
	Regions  []string          `yaml:"regions"`
	From     time.Time         `yaml:"from" required:"true"`
	To       time.Time         `yaml:"to" required:"true"`
	Effect   string            `yaml:"effect" required:"true"`
	Category string            `yaml:"category" required:"true"`
	Reason   string            `yaml:"reason" required:"true"`
	Author   string            `yaml:"author"`
}

// ParseCorrections reads a file of corrections that was read from the file called name. Who wrote those that do not say is
// author. The error, if any, is a Faults.
func ParseCorrections(name string, data []byte, author string, now time.Time) ([]sli.Correction, error) {
	d := newDecoder(name, noFiles)
	d.least = "a file of corrections has at least corrections: []"
	var file corrections
	var list []sli.Correction
	if root := d.document(data); root != nil {
		d.value(root, reflect.ValueOf(&file).Elem(), "")
		list = d.corrections(&file, author, now)
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return list, nil
}

// corrections makes the corrections of a file, and tells what is wrong with each.
func (d *decoder) corrections(file *corrections, author string, now time.Time) []sli.Correction {
	ids := map[string]spot{}
	var list []sli.Correction
	for i, x := range file.List {
		path := fmt.Sprintf("corrections[%d]", i)
		d.nameOf(x.ID, join(path, "id"))
		d.unique(ids, x.ID, join(path, "id"))
		c := sli.Correction{
			ID: x.ID, Checks: x.Checks, Labels: x.Labels, Regions: x.Regions, From: x.From, To: x.To,
			Effect: x.Effect, Category: x.Category, Reason: x.Reason, Author: x.Author,
		}
		if c.Author == "" {
			c.Author = author
		}
		whole := c
		if len(c.Labels) > 0 && len(c.Checks) == 0 {
			whole.Checks = []string{"chosen by labels"}
		}
		if err := whole.Validate(now); err != nil && d.sound(path) {
			d.tell(d.where(path), err.Error(), "")
		}
		list = append(list, c)
	}
	return slices.Clip(list)
}

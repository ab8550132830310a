package main

import (
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// An answer is a command that asks a reader for a list and prints it in the format that is wanted.
type answer[T any] struct {
	ask       func(reader, context.Context, sli.Query) ([]T, error)
	text, csv func(io.Writer, []T) error
	beyond    bool // it is about more than timelines, so that checks and regions need not have any
}

func (a answer[T]) print(ctx context.Context, o *whereOptions, std streams) error {
	write, err := a.format(o.output)
	if err != nil {
		return err
	}
	q, err := o.query(time.Now())
	if err != nil {
		return err
	}
	r, err := o.open(ctx, std)
	if err != nil {
		return err
	}
	defer r.Close()
	if folder, ok := r.(folderReader); ok && !a.beyond {
		if err := folder.known(ctx, q.Checks, q.Regions); err != nil {
			return err
		}
	}
	list, err := a.ask(r, ctx, q)
	if err != nil {
		return err
	}
	return write(std.out, list)
}

// format picks the writer; JSON is the same for every list.
func (a answer[T]) format(name string) (func(io.Writer, []T) error, error) {
	switch name {
	case "text":
		return a.text, nil
	case "csv":
		return a.csv, nil
	case "json":
		return writeJSON[T], nil
	}
	return nil, usage("", "--output %q: want text, json or csv", name)
}

// writeJSON prints a list as an array; an empty one is [].
func writeJSON[T any](w io.Writer, list []T) error {
	if list == nil {
		list = []T{}
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(list)
}

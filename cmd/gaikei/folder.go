package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// maxNamed is how many names a message has at most.
const maxNamed = 8

// known refuses checks and regions of which the folder has no timeline: an empty answer would read as if nothing had been due. A
// folder does not know what a check stands for, as a server does with its configuration; it has the sub-checks, by names
// that begin with that of the whole.
func (r folderReader) known(ctx context.Context, checks, regions []string) error {
	if len(checks)+len(regions) == 0 {
		return nil
	}
	series, err := r.Series(ctx)
	if err != nil {
		return err
	}
	var ids, places []string
	for _, x := range series {
		ids, places = append(ids, x.Check), append(places, x.Region)
	}
	for _, check := range checks {
		if !slices.Contains(ids, check) {
			return unknownCheck(check, sorted(ids))
		}
	}
	for _, region := range regions {
		if !slices.Contains(places, region) {
			return usage("regions there are: "+named(sorted(places)), "the folder has no timeline of a region %q", region)
		}
	}
	return nil
}

func unknownCheck(check string, ids []string) error {
	parts := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !strings.HasPrefix(id, check+".") })
	if len(parts) == 0 {
		return usage("checks there are: "+named(ids), "the folder has no timeline of a check %q", check)
	}
	flags := "--check " + strings.Join(parts[:min(len(parts), maxNamed)], " --check ")
	return usage(fmt.Sprintf("ask for its sub-checks, if that is what they are: %s; a running server knows them by --check %s", flags, check),
		"the folder has no timeline of a check %q, but of %s, and cannot tell whether they are part of it", check, named(parts))
}

func sorted(names []string) []string {
	slices.Sort(names)
	return slices.Compact(names)
}

// named lists names, not too many.
func named(names []string) string {
	switch n := len(names); {
	case n == 0:
		return "none"
	case n > maxNamed:
		return strings.Join(names[:maxNamed], ", ") + fmt.Sprintf(" and %d more", n-maxNamed)
	}
	return strings.Join(names, ", ")
}

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/gaikei/gaikei/probe"
)

// followedVersion is the version of the file's format.
const followedVersion = 1

// A followedFile remembers over restarts the courses of a prober, so that it can go on with them and what changed
// while it was down can be told: DIR/prober/REGION.json. It knows of an epoch before anybody else does.
type followedFile string

func followedIn(dir, region string) followedFile {
	return followedFile(filepath.Join(dir, "prober", region+".json"))
}

// followedRegions lists the regions that a prober in this folder has followed.
func followedRegions(dir string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "prober", "*.json"))
	if err != nil {
		return nil, err
	}
	var regions []string
	for _, p := range paths {
		regions = append(regions, strings.TrimSuffix(filepath.Base(p), ".json"))
	}
	return regions, nil
}

type followedContent struct {
	Version int           `json:"version"`
	Epochs  []probe.Epoch `json:"epochs"`
}

// read returns the courses by check; none if the prober never ran.
func (f followedFile) read() (map[string]course, error) {
	courses := map[string]course{}
	data, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return courses, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was followed: %w", err)
	}
	var c followedContent
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("read what was followed: %s: %w", f, err)
	}
	if c.Version != followedVersion {
		return nil, fmt.Errorf("read what was followed: %s: got version %d, want %d", f, c.Version, followedVersion)
	}
	for _, e := range c.Epochs {
		known := courses[e.Check]
		if n := len(known); n > 0 && known[n-1].From >= e.From {
			return nil, fmt.Errorf("read what was followed: %s: check %q has epochs from %d and then from %d, want them in order", f, e.Check, known[n-1].From, e.From)
		}
		if e.Grid.Interval <= 0 && !ends(e) {
			return nil, fmt.Errorf("read what was followed: %s: check %q has an interval of %d ms, want more than 0", f, e.Check, e.Grid.Interval)
		}
		courses[e.Check] = append(known, e)
	}
	return courses, nil
}

// write replaces the file; when it returns nil the content survives a crash.
func (f followedFile) write(courses map[string]course) error {
	data, err := json.Marshal(followedContent{Version: followedVersion, Epochs: announcement(courses)})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(string(f)), 0o755); err != nil {
		return fmt.Errorf("write what is followed: %w", err)
	}
	if err := renameio.WriteFile(string(f), data, 0o644); err != nil {
		return fmt.Errorf("write what is followed: %w", err)
	}
	return nil
}

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
	Rested  int64         `json:"rested_ms,omitempty"`
}

// followed is what a followedFile remembers.
type followed struct {
	courses map[string]course // by check
	rested  int64             // Unix ms: the prober was stopped, and has told of all slots up to here; 0: it was not
}

// read returns what was written last; nothing if the prober never ran.
func (f followedFile) read() (followed, error) {
	data, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return followed{courses: map[string]course{}}, nil
	}
	if err != nil {
		return followed{}, fmt.Errorf("read what was followed: %w", err)
	}
	var c followedContent
	if err := json.Unmarshal(data, &c); err != nil {
		return followed{}, fmt.Errorf("read what was followed: %s: %w", f, err)
	}
	if c.Version != followedVersion {
		return followed{}, fmt.Errorf("read what was followed: %s: got version %d, want %d", f, c.Version, followedVersion)
	}
	courses, err := f.courses(c.Epochs)
	return followed{courses, c.Rested}, err
}

// courses sorts epochs by their checks.
func (f followedFile) courses(epochs []probe.Epoch) (map[string]course, error) {
	courses := map[string]course{}
	for _, e := range epochs {
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
func (f followedFile) write(now followed) error {
	data, err := json.Marshal(followedContent{Version: followedVersion, Epochs: announcement(now.courses), Rested: now.rested})
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

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/gaikei/gaikei/probe"
)

// followedVersion is the version of the file's format.
const followedVersion = 1

// A followedFile remembers over restarts which epochs a prober has announced, so that what changed while it
// was down can be told: DIR/prober/REGION.json.
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

// read returns the epochs by check; none if the prober never ran.
func (f followedFile) read() (map[string]probe.Epoch, error) {
	epochs := map[string]probe.Epoch{}
	data, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return epochs, nil
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
		if e.Grid.Interval <= 0 {
			return nil, fmt.Errorf("read what was followed: %s: check %q has an interval of %d ms, want more than 0", f, e.Check, e.Grid.Interval)
		}
		epochs[e.Check] = e
	}
	return epochs, nil
}

// write replaces the file; when it returns nil the content survives a crash.
func (f followedFile) write(epochs map[string]probe.Epoch) error {
	c := followedContent{Version: followedVersion, Epochs: slices.SortedFunc(maps.Values(epochs), byCheck)}
	data, err := json.Marshal(c)
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

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"

	"github.com/gaikei/gaikei/probe/wire"
)

// A planFolder keeps the plan that a prober follows, so that it can go on without the aggregator: DIR/plan/manifest.json,
// and beside it the chunks by name.
type planFolder string

func planFolderIn(dir string) planFolder { return planFolder(filepath.Join(dir, "plan")) }

const manifestName = "manifest.json"

// manifest returns the manifest that is kept; nil if there is none.
func (f planFolder) manifest() (*wire.Manifest, error) {
	data, err := os.ReadFile(filepath.Join(string(f), manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the plan: %w", err)
	}
	m, err := wire.ReadManifest(data)
	if err != nil {
		return nil, err
	}
	return &m, nil
}

// chunk returns a chunk by a name that ReadManifest let pass.
func (f planFolder) chunk(name string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(f), filepath.Base(name)))
}

// put keeps a chunk.
func (f planFolder) put(name string, data []byte) error {
	if err := os.MkdirAll(string(f), 0o750); err != nil {
		return fmt.Errorf("keep the plan: %w", err)
	}
	if err := renameio.WriteFile(filepath.Join(string(f), filepath.Base(name)), data, 0o640); err != nil {
		return fmt.Errorf("keep the plan: %w", err)
	}
	return nil
}

// keep makes a plan, whose chunks are there, the one that the next start begins with, and removes what it does not need.
func (f planFolder) keep(m *wire.Manifest) error {
	if err := f.put(manifestName, m.Marshal()); err != nil {
		return err
	}
	files, err := os.ReadDir(string(f))
	if err != nil {
		return fmt.Errorf("keep the plan: %w", err)
	}
	for _, file := range files {
		if name := file.Name(); name != manifestName && !slices.Contains(m.Chunks, name) {
			if err := os.Remove(filepath.Join(string(f), name)); err != nil {
				return fmt.Errorf("keep the plan: %w", err)
			}
		}
	}
	return nil
}

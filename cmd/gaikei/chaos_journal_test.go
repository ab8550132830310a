//go:build chaos

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
)

// A put is one message in a prober's journal: before it was put, and what came of that.
type put struct {
	region, prober string
	begun, ended   time.Time // ended zero: the process was killed meanwhile
	batch          *probe.Batch
	payload        []byte
	stored         bool // it is durable; otherwise it may be
}

// readJournal reads what a prober has written so far, in all its lives. A line that a kill has torn is left out: what is in
// it was not promised. The next life begins with an empty line.
func readJournal(path string) ([]*put, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []*put
	open := map[[2]int64]*put{} // by process and number
	lines := bytes.Split(data, []byte("\n"))
	for i, line := range lines {
		if len(line) == 0 {
			continue
		}
		var p promise
		if err := json.Unmarshal(line, &p); err != nil {
			if torn := i+1 == len(lines) || len(lines[i+1]) == 0; torn {
				continue
			}
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
		k, at := [2]int64{int64(p.Process), p.Put}, time.Unix(0, p.At)
		if x := open[k]; p.Payload == nil && x != nil {
			x.ended, x.stored = at, p.Stored
			continue
		}
		x := &put{region: p.Region, prober: p.Prober, begun: at, payload: p.Payload}
		if x.batch, err = wire.Unmarshal(p.Payload); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
		open[k] = x
		all = append(all, x)
	}
	return all, nil
}

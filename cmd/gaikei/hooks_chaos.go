//go:build chaos

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// The program that `make chaos` builds lets its environment name two files: one that says how far a prober's clock is to be
// off, and one that the prober's promises are written to. No other build has them.
const (
	skewVariable    = "GAIKEI_CHAOS_SKEW"    // file with a duration; none there: 0s
	journalVariable = "GAIKEI_CHAOS_JOURNAL" // file of promises, one of JSON a line
)

// A promise is a line of the journal: a prober is about to put a message (Payload), or the put has returned (Stored, Failed).
type promise struct {
	Put     int64 // number of the put within the process
	Process int
	At      int64 // Unix ns, by the machine's clock
	Region  string
	Prober  string
	Payload []byte `json:",omitempty"`
	Stored  bool   `json:",omitempty"`
	Failed  string `json:",omitempty"`
}

func wallClock() time.Time { return time.Now().Add(skew()) }

func clockShift() func() time.Duration { return skew }

// skew reads the file every time: that it is of a file in memory, and that there are few slots, makes this cheap enough.
func skew() time.Duration {
	text, err := os.ReadFile(os.Getenv(skewVariable))
	if err != nil || len(text) == 0 {
		return 0
	}
	d, err := time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil {
		panic(fmt.Sprintf("%s: %v", skewVariable, err))
	}
	return d
}

func journal() func(region, prober string, payload []byte) func(error) {
	path := os.Getenv(journalVariable)
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	j := &journalFile{f: f}
	j.write(nil) // ends the line in whose midst the process before this may have been killed
	return j.promise
}

// A journalFile is safe for concurrent use.
type journalFile struct {
	mu   sync.Mutex
	f    *os.File
	puts int64
}

func (j *journalFile) promise(region, prober string, payload []byte) func(error) {
	j.mu.Lock()
	j.puts++
	p := promise{Put: j.puts, Process: os.Getpid(), Region: region, Prober: prober}
	j.mu.Unlock()
	begun := p
	begun.At, begun.Payload = time.Now().UnixNano(), payload
	j.tell(begun)
	return func(err error) {
		p.At, p.Stored = time.Now().UnixNano(), err == nil
		if err != nil {
			p.Failed = err.Error()
		}
		j.tell(p)
	}
}

func (j *journalFile) tell(p promise) {
	line, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	j.write(line)
}

func (j *journalFile) write(line []byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.f.Write(append(line, '\n')); err != nil {
		panic(err)
	}
}

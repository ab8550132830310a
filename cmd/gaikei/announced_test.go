package main

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// A target that announces maintenance is left out up to the limit of its check, and is down after it. One beside it that fails in the
// same way without a word is down from the beginning.
func TestAnnouncedMaintenance(t *testing.T) {
	t.Parallel()
	l := newPlant(t)
	var broken atomic.Bool
	shop := listenOn(t, "127.0.0.1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !broken.Load() {
			return
		}
		if r.URL.Path == "/announced" {
			w.Header().Set("X-Maintenance", "planned")
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	const check = "  - {name: %s, interval: 500ms, http: {url: \"http://%s/%[1]s\", announced: {header: {X-Maintenance: present}, limit: 3s}}}\n"
	dir := t.TempDir()
	path := writeFile(t, dir, "gaikei.yaml", l.config("here: {}", "steady: interval: 500ms")+fmt.Sprintf(check, "announced", shop)+fmt.Sprintf(check, "silent", shop))
	p := start(t, path, dir+"/data")
	p.answered(l.truth, "steady", 4)
	from := time.Now()
	broken.Store(true)
	p.answered(l.truth, "steady", 24)
	to := time.Now().Add(-time.Second)
	p.until("has settled the window", func() bool { return p.report("announced", "here", between(from, to)).Settled })

	r := p.report("announced", "here", between(from, to))
	if r.Excluded.Announced != 6 || r.Slots.Excluded != 6 || r.Slots.Bad == 0 || r.Slots.Bad+6 != r.Outcomes.Down {
		t.Errorf("announced: got %+v, excluded %+v, want the 6 slots of 3 s excluded and the rest bad", r.Slots, r.Excluded)
	}
	if r := p.report("silent", "here", between(from, to)); r.Slots.Excluded != 0 || r.Slots.Bad != r.Outcomes.Down {
		t.Errorf("silent: got %+v, excluded %+v, want none excluded", r.Slots, r.Excluded)
	}
}

package main

import (
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/web"
)

// TestRoles runs an aggregator and the probers of two regions: results, evidence and figures of both arrive, and what
// was asked of the target is what is known, also of the last moments before each was told to stop.
func TestRoles(t *testing.T) {
	t.Parallel()
	l := newPlant(t)
	broken := listenOn(t, "127.0.0.1", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
	s := newSite(t, l.config("tokyo: {}, osaka: {}", `web: expect: {unreachable: [osaka]}`, "tokyo-sees")+
		fmt.Sprintf("  - {name: broken, http: {url: \"http://%s/\"}}\n", broken))
	s.aggregate()
	tokyo, osaka := s.probe(s.enroll("enroll", "tokyo", "p1")), s.probe(s.enroll("enroll", "osaka", "p1"))
	s.follow(2, 1)
	s.answered(l.truth, "web", 6)
	for region, want := range map[string]float64{"tokyo": 1, "osaka": 0} {
		s.until("has figures of "+region, func() bool { return s.report("web", region, "window=4s").Slots.Scheduled >= 4 })
		r := s.report("web", region, "window=4s")
		if r.Availability.Ratio == nil || *r.Availability.Ratio != want || r.Coverage == nil || *r.Coverage != 1 {
			t.Errorf("web in %s: %+v with coverage %v, want an availability of %v and all covered", region, r.Availability, r.Coverage, want)
		}
		var evidence []struct{ Reason string }
		s.until("has evidence of "+region, func() bool {
			evidence = list[struct{ Reason string }](s.program, "/api/v1/evidence?check=broken&region="+region)
			return len(evidence) > 0
		})
		if evidence[0].Reason != "status" {
			t.Errorf("evidence of %s: got %+v, want the reason status", region, evidence)
		}
	}
	stopping := time.Now()
	tokyo.stop()
	osaka.stop()
	s.stop()

	up, cut := 0, 0
	for _, region := range []string{"tokyo", "osaka"} {
		for _, slot := range slotsOf(t, s.data, "tokyo-sees", region) {
			switch {
			case slot.Outcome == sli.Up:
				up++
			case slot.Reason == "stopped":
				cut++ // it may have been asked, and its answer not been heard
			}
			if slot.Outcome != sli.Up && time.UnixMilli(slot.At).Before(stopping.Add(-2*time.Second)) {
				t.Errorf("tokyo-sees in %s at %d came to %v (%s), want up", region, slot.At, slot.Outcome, slot.Reason)
			}
		}
	}
	if n := len(l.truth.asked("tokyo-sees")); n < up || n > up+cut {
		t.Errorf("the target was asked %d times, %d slots are up and %d were cut off, want each of them: nothing may be lost at a stop", n, up, cut)
	}
}

// TestPlanTravels edits the configuration: all probers of a region change at one slot, which is known as a change, and
// a bad file changes nothing.
func TestPlanTravels(t *testing.T) {
	t.Parallel()
	l := newPlant(t)
	text := func(path string) string {
		return strings.ReplaceAll(l.config("tokyo: {}", "web"), l.target+"/web", l.target+"/"+path)
	}
	s := newSite(t, text("v1"))
	s.aggregate()
	p1, p2 := s.probe(s.enroll("enroll", "tokyo", "p1")), s.probe(s.enroll("enroll", "tokyo", "p2"))
	s.follow(2, 1)
	s.answered(l.truth, "v1", 6)
	writeFile(t, s.dir, "gaikei.yaml", text("v2")) // which is noticed
	s.follow(2, 2)
	s.answered(l.truth, "v2", 6)
	s.reloadFileAs(s.config, "checks: [\n", "configuration not reloaded, the old one stays in force")
	s.answered(l.truth, "v2", 4)
	s.follow(2, 2)
	code, out, errs := gaikei(t, "probers", "status", "--data", s.data)
	if code != exitFine || strings.Count(out, "present") != 2 {
		t.Errorf("gaikei probers status: exit code %d, want 0 and two that are present: %s%s", code, out, errs)
	}
	changes := list[sli.Change](s.program, "/api/v1/changes?check=web&window=1h")
	p1.stop()
	p2.stop()
	s.stop()

	if len(changes) != 1 || changes[0].Region != "tokyo" || changes[0].Revision != 2 || changes[0].What != "http.url" {
		t.Fatalf("changes: got %+v, want one, of http.url in revision 2", changes)
	}
	slots := slotsOf(t, s.data, "web", "tokyo")
	asked := map[string]map[int64]int{} // path, slot, times
	for _, path := range []string{"v1", "v2"} {
		asked[path] = map[int64]int{}
		for _, at := range l.truth.asked(path) {
			if i, _ := slices.BinarySearchFunc(slots, at.UnixMilli()+1, func(s sli.Slot, at int64) int { return int(s.At - at) }); i > 0 {
				asked[path][slots[i-1].At]++
			}
		}
	}
	both := 0
	for slot, n := range asked["v2"] {
		if slot < changes[0].At.UnixMilli() || asked["v1"][slot] > 0 {
			t.Errorf("slot %d was probed %d times by the new plan and %d times by the old; the change was at %v", slot, n, asked["v1"][slot], changes[0].At)
		}
		if n == 2 {
			both++
		}
	}
	for slot := range asked["v1"] {
		if slot >= changes[0].At.UnixMilli()+1000 {
			t.Errorf("slot %d was probed by the old plan; the change was at %v", slot, changes[0].At)
		}
	}
	if both < 4 {
		t.Errorf("both probers asked by the new plan in %d slots, want at least 4", both)
	}
}

// reloadFileAs replaces the configuration and waits until the program has said what came of it.
func (p *program) reloadFileAs(path, content, answer string) {
	p.t.Helper()
	before := strings.Count(p.log.String(), answer)
	writeFile(p.t, filepath.Dir(path), filepath.Base(path), content)
	p.until("says "+answer, func() bool { return strings.Count(p.log.String(), answer) > before })
}

// TestProberAlone takes the aggregator away, kills the prober meanwhile, and brings both back: the prober goes on by
// the plan that it kept, and in the end everything that was seen is known.
func TestProberAlone(t *testing.T) {
	t.Parallel()
	l := newPlant(t)
	s := newSite(t, l.config("tokyo: {}", "web"))
	s.aggregate()
	creds, folder := s.enroll("enroll", "tokyo", "p1"), t.TempDir()
	slow := watchDisk(t, folder)
	begun := time.Now()
	p := s.probeIn(folder, creds)
	s.follow(1, 1)
	s.answered(l.truth, "web", 3)
	s.kill()
	p.answered(l.truth, "web", 4)
	p.kill()
	killed := time.Now()
	listen := "127.0.0.1:" + freePort(t)
	p = s.probeIn(folder, creds, "--listen", listen)
	p.says("following a plan")
	p.answered(l.truth, "web", 4)
	s.aggregate()
	s.follow(1, 1)
	p.answered(l.truth, "web", 4)
	var metrics string
	p.until("has sent everything", func() bool {
		metrics = scrape(t, listen)
		return strings.Contains(metrics, "\ngaikei_queue_pending_messages 0\n")
	})
	for _, lane := range []string{"live", "late"} {
		if strings.Contains(metrics, fmt.Sprintf("gaikei_uplink_messages_total{lane=%q} 0\n", lane)) {
			t.Errorf("nothing was sent on the lane %s, and there was something fresh and something late", lane)
		}
	}
	sum := tally{lastBatch: 2*time.Second + 2*slow()}
	stopping := time.Now()
	p.stop()
	s.stop()
	slots := slotsOf(t, s.data, "web", "tokyo")
	for len(slots) > 0 && slots[len(slots)-1].At > stopping.Add(-time.Second).UnixMilli() {
		slots = slots[:len(slots)-1] // what runs when a prober is told to stop is TestRoles's to count
	}
	sum.compare(t, "web", slots, l.truth, begun, []time.Time{killed})
	if sum.up < 12 {
		t.Errorf("%d slots are up, want at least 12", sum.up)
	}
}

// scrape reads the metrics of a prober; empty if they cannot be read.
func scrape(t *testing.T, address string) string {
	t.Helper()
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return ""
	}
	return string(body)
}

// TestTwoProbersOneRegion has two probers in a region that see differently, as the secrets that they were given make
// the target answer: there is one record a slot, a verdict goes before none, what two saw differently is counted, and
// without one of them nothing is missing. The plan has only the references to the secrets.
func TestTwoProbersOneRegion(t *testing.T) {
	t.Parallel()
	l := newPlant(t)
	var good, bad atomic.Int64
	target := listenOn(t, "127.0.0.1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("X-Secret") + r.Header.Get("X-File") {
		case "goodfine":
			good.Add(1)
		case "badfine":
			bad.Add(1)
			w.WriteHeader(http.StatusInternalServerError)
		default:
			t.Errorf("the target was asked with %q, want what the secrets resolve to", r.Header)
		}
	}))
	s := newSite(t, l.config("tokyo: {}", "steady")+fmt.Sprintf(
		"  - {name: web, http: {url: \"http://%s/\", headers: {X-Secret: \"${env:GAIKEI_SECRET_KIND}\", X-File: \"${file:token}\"}}}\n", target)+
		fmt.Sprintf("  - {name: nosy, http: {url: \"http://%s/\", headers: {X-Secret: \"${env:HOME}\"}}}\n", target))
	if code, _, errs := gaikei(t, "config", "check", "-c", s.config); code == exitFine {
		t.Fatalf("a reference to another variable is taken: %s", errs)
	}
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(string(text), "  - {name: nosy")
	writeFile(t, s.dir, "gaikei.yaml", head)
	s.aggregate()
	secrets := t.TempDir()
	writeFile(t, secrets, "token", "fine\n")
	p1 := s.probe(s.enroll("enroll", "tokyo", "p1"), "GAIKEI_SECRET_KIND=good", "--secrets", secrets)
	folder, creds := t.TempDir(), s.enroll("enroll", "tokyo", "p2")
	p2 := s.probeIn(folder, creds, "--secrets", secrets) // with a variable that is missing
	s.follow(2, 1)
	until := func(n *atomic.Int64, more int64) {
		since := n.Load()
		s.until("has asked", func() bool { return n.Load() >= since+more })
	}
	verdictBeforeNone := span{from: time.Now()}
	until(&good, 6)
	verdictBeforeNone.to = time.Now().Add(-time.Second)
	p2.stop()
	p2 = s.probeIn(folder, creds, "GAIKEI_SECRET_KIND=bad", "--secrets", secrets)
	until(&bad, 8)
	p1.kill()
	alone := span{from: time.Now().Add(time.Second)}
	until(&bad, 5)
	alone.to = time.Now().Add(-time.Second)
	s.until("counts disagreements", func() bool {
		_, metrics := s.get("/metrics")
		return strings.Contains(metrics, "gaikei_disagreements_total{check=\"web\",region=\"tokyo\"}")
	})
	p2.stop()
	s.stop()

	slots := slotsOf(t, s.data, "web", "tokyo")
	wantSteps(t, "web", slots, time.Second)
	wantUp(t, "web", slots, verdictBeforeNone, 3)
	wantOnly(t, "web", slots, alone, sli.Slot{Outcome: sli.Down, Reason: "status"})
	wantUp(t, "steady", slotsOf(t, s.data, "steady", "tokyo"), span{verdictBeforeNone.from, alone.to}, 12)
	for _, text := range planTexts(t, folder) {
		if strings.Contains(text, "good") || strings.Contains(text, "fine") {
			t.Errorf("the plan that travels holds a secret: %s", text)
		}
	}
}

// planTexts are the blocks of the plan that a prober has kept in a folder.
func planTexts(t *testing.T, folder string) []string {
	t.Helper()
	kept := planFolderIn(filepath.Join(folder, "gaikei-prober"))
	m, err := kept.manifest()
	if err != nil || m == nil {
		t.Fatalf("the prober kept plan %v, error %v", m, err)
	}
	plan, err := m.Open(kept.chunk)
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	found := false
	for _, c := range plan.Checks {
		texts = append(texts, string(c.Block))
		found = found || strings.Contains(string(c.Block), "${env:GAIKEI_SECRET_KIND}")
	}
	if !found {
		t.Errorf("the plan does not have the reference: %q", texts)
	}
	return texts
}

// TestRevoked ends a key while its prober runs: within seconds, without a restart, nothing of it arrives any more. A
// rotated key works beside the old one until that is ended.
func TestRevoked(t *testing.T) {
	t.Parallel()
	l := newPlant(t)
	s := newSite(t, l.config("tokyo: {}", "web"))
	s.aggregate()
	old := s.probe(s.enroll("enroll", "tokyo", "p1"))
	s.follow(1, 1)
	oldKey := s.keys(t)[0]
	next := s.probe(s.enroll("rotate", "tokyo", "p1"))
	connections := func(n int) {
		t.Helper()
		s.until(fmt.Sprintf("has %d connections", n), func() bool {
			_, metrics := s.get("/metrics")
			return strings.Contains(metrics, fmt.Sprintf("gaikei_prober_connections{prober=\"p1\",region=\"tokyo\"} %d\n", n))
		})
	}
	connections(2)
	if code, _, errs := gaikei(t, "probers", "revoke", "--data", s.data, "--public-key", oldKey); code != exitFine {
		t.Fatalf("revoke: exit code %d: %s", code, errs)
	}
	old.says("the aggregator does not admit these credentials")
	connections(1)
	old.kill()
	s.answered(l.truth, "web", 3)
	if code, _, errs := gaikei(t, "probers", "revoke", "--data", s.data, "--region", "tokyo", "--name", "p1"); code != exitFine {
		t.Fatalf("revoke by name: exit code %d: %s", code, errs)
	}
	revoked := time.Now()
	if code, out, errs := gaikei(t, "probers", "status", "--data", s.data); code != exitFine || !strings.Contains(out, "revoked") {
		t.Errorf("gaikei probers status: exit code %d, want 0 and that the prober is revoked: %s%s", code, out, errs)
	}
	next.says("the aggregator does not admit these credentials")
	next.answered(l.truth, "web", 5)
	next.stop()
	if keys := s.keys(t); len(keys) != 0 {
		t.Errorf("keys that can connect: got %v, want none", keys)
	}
	s.stop()
	for _, slot := range slotsOf(t, s.data, "web", "tokyo") {
		if at := time.UnixMilli(slot.At); at.After(revoked) && slot.Outcome != sli.NoData {
			t.Errorf("web at %v came to %v, and the key was ended at %v", at, slot.Outcome, revoked)
		}
	}
}

// keys lists those that can connect.
func (s *site) keys(t *testing.T) []string {
	t.Helper()
	var keys []string
	for _, e := range list[web.Enrollment](s.program, "/api/v1/enrollments") {
		if e.Revoked == nil {
			keys = append(keys, e.Key)
		}
	}
	return keys
}

// TestCutOff cuts the way from a prober to the aggregator: it is called silent, its slots are no data when they are
// settled, and filled in when it is back.
func TestCutOff(t *testing.T) {
	t.Parallel()
	l := newPlant(t)
	s := newSite(t, l.config("tokyo: {}", "web"))
	s.aggregate()
	way := newCable(t, s.accept)
	p := s.probe(s.enroll("enroll", "tokyo", "p1"), way.url()...)
	s.follow(1, 1)
	s.answered(l.truth, "web", 3)
	way.cut(true)
	cut := time.Now().Add(2 * time.Second)
	window := between(cut, cut.Add(4*time.Second))
	s.until("has settled slots of the time it was cut off", func() bool { return s.report("web", "tokyo", window).Settled })
	if r := s.report("web", "tokyo", window); r.Slots.NoData != r.Slots.Scheduled || r.Slots.Scheduled == 0 || r.Availability.Ratio != nil {
		t.Errorf("while it is cut off: %+v and %+v, want no data and no availability", r.Slots, r.Availability)
	}
	s.says("prober p1 in region tokyo has been silent since")
	s.seenAs(web.ProberSilent, 1)
	way.cut(false)
	s.until("is told the rest", func() bool { return s.report("web", "tokyo", window).Slots.NoData == 0 })
	r := s.report("web", "tokyo", window)
	if r.Slots.Good != r.Slots.Scheduled || r.Coverage == nil || math.Abs(*r.Coverage-1) > 1e-9 {
		t.Errorf("when it is back: %+v, want all good", r.Slots)
	}
	s.says("over: prober p1 in region tokyo has been silent since")
	s.seenAs(web.ProberPresent, 0)
	p.stop()
	s.stop()
}

// seenAs requires that API, command line and metric agree on how the only prober, p1 in tokyo, is seen.
func (s *site) seenAs(state string, silent int) {
	s.t.Helper()
	if ps := list[web.Presence](s.program, "/api/v1/presence"); len(ps) != 1 || ps[0].State != state {
		s.t.Errorf("presence: got %+v, want one prober that is %s", ps, state)
	}
	if code, out, errs := gaikei(s.t, "probers", "status", "--data", s.data); code != exitFine || !strings.Contains(out, state) {
		s.t.Errorf("gaikei probers status: exit code %d, want 0 and a prober that is %s: %s%s", code, state, out, errs)
	}
	metric := fmt.Sprintf("\ngaikei_prober_silent{prober=\"p1\",region=\"tokyo\"} %d\n", silent)
	if _, metrics := s.get("/metrics"); !strings.Contains(metrics, metric) {
		s.t.Errorf("the metrics do not have %q", metric)
	}
}

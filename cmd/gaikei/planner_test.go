package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/config"
	"github.com/gaikei/gaikei/probe/wire"
	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/timeline"
)

// published is a store to which configurations are published.
func published(t *testing.T) (*timeline.Store, func(text string)) {
	t.Helper()
	store, err := timeline.Open(t.Context(), timeline.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store, func(text string) {
		t.Helper()
		file, err := config.Parse("gaikei.yaml", []byte("controls: {preset: root-dns}\n"+text), config.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ordinals, err := store.Ordinals(t.Context(), storeRegions(file.Regions))
		if err != nil {
			t.Fatal(err)
		}
		if err := (planner{store: store}).publish(t.Context(), file, ordinals); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPlanner(t *testing.T) {
	store, publish := published(t)
	const shop = "  - {name: shop, http: {url: \"https://shop.example.com/\"}}\n"
	const mail = "  - {name: mail, tcp: {address: \"mail.example.com:25\"}, interval: 1m}\n"
	publish("regions: {tokyo: {}, osaka: {}}\nchecks:\n" + shop)
	publish("regions: {tokyo: {}, osaka: {}}\nchecks:\n" + shop) // the same: no new revision
	publish("regions: {tokyo: {}, osaka: {}}\nchecks:\n" + strings.Replace(shop, "}}", "}, interval: 10s, labels: {team: web}}", 1) + mail)
	publish("regions: {tokyo: {}}\nchecks:\n" + mail)

	revision := func(region string) int64 {
		p, err := store.Plan(t.Context(), region)
		if err != nil {
			t.Fatal(err)
		}
		return p.Revision
	}
	if a, b := revision("tokyo"), revision("osaka"); a != 3 || b != 3 {
		t.Errorf("got revisions %d and %d, want 3 of both", a, b)
	}
	changes, err := store.Changes(t.Context(), sli.Query{Window: time.Hour, Now: time.Now().Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, fmt.Sprintf("%s %s %d: %s", c.Region, c.Check, c.Revision, c.What))
	}
	slices.Sort(got)
	want := []string{
		"osaka mail 2: added", "osaka mail 3: removed", "osaka shop 2: interval, labels", "osaka shop 3: removed",
		"tokyo mail 2: added", "tokyo shop 2: interval, labels", "tokyo shop 3: removed",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("changes (-want +got):\n%s", d)
	}
}

// What a prober fetches by asking is the plan.
func TestPlannerAnswers(t *testing.T) {
	store, publish := published(t)
	p := planner{store: store}
	ask := func(question []byte) []byte { return p.answer(t.Context(), "tokyo", question) }
	if _, err := wire.ReadManifestAnswer(ask(wire.AskManifest(0))); err == nil || !strings.Contains(err.Error(), "tokyo") {
		t.Errorf("without a plan: got error %v, want one that names the region", err)
	}
	publish("regions: {tokyo: {}, osaka: {}}\nchecks:\n  - {name: shop, http: {url: \"https://shop.example.com/\"}, expect: {unreachable: [tokyo]}}\n" +
		"  - {name: off, tcp: {address: \"mail.example.com:25\"}, enabled: false}\n")
	m, err := wire.ReadManifestAnswer(ask(wire.AskManifest(0)))
	if err != nil || m == nil {
		t.Fatalf("got manifest %v, error %v", m, err)
	}
	plan, err := m.Open(func(name string) ([]byte, error) { return wire.ReadChunkAnswer(name, ask(wire.AskChunk(name))) })
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Checks) != 1 || plan.Checks[0].ID != "shop" || plan.Checks[0].Expected || plan.Revision != 1 {
		t.Errorf("got %+v, want revision 1 with shop alone, expected unreachable", plan)
	}
	if m, err := wire.ReadManifestAnswer(ask(wire.AskManifest(1))); m != nil || err != nil {
		t.Errorf("with the newest: got %v, error %v, want neither", m, err)
	}
	other := p.answer(t.Context(), "osaka", wire.AskChunk(m1(t, ask).Chunks[1]))
	if _, err := wire.ReadChunkAnswer(m1(t, ask).Chunks[1], other); err == nil {
		t.Error("a chunk of tokyo's plan was given to osaka")
	}
}

// m1 is the newest manifest.
func m1(t *testing.T, ask func([]byte) []byte) *wire.Manifest {
	t.Helper()
	m, err := wire.ReadManifestAnswer(ask(wire.AskManifest(0)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

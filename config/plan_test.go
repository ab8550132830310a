package config

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/gaikei/gaikei/probe"
)

// Controls survive a plan, whichever form they have.
func TestControlsTravel(t *testing.T) {
	for _, block := range []string{
		"none", "{preset: root-dns, quorum: 3}",
		`{targets: [{http: {url: "https://www.example.com/"}}, {tcp: {address: "198.51.100.1:443", tls: {}}}, {dns: {server: "192.0.2.53", name: example.com, type: A}}]}`,
	} {
		f, err := Parse("gaikei.yaml", []byte("regions: {tokyo: {}}\nchecks: []\ncontrols: "+block+"\n"), Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseControls("plan", ControlsBlock(f.Controls))
		if err != nil {
			t.Fatalf("%s: %v", block, err)
		}
		if d := cmp.Diff(string(ControlsBlock(f.Controls)), string(ControlsBlock(got))); d != "" {
			t.Errorf("%s (-want +got):\n%s", block, d)
		}
		for i, k := range got.Targets {
			if d := cmp.Diff(f.Controls.Targets[i].Target(), k.Target()); d != "" {
				t.Errorf("%s: target %d (-want +got):\n%s", block, i, d)
			}
		}
	}
}

func TestControlsOfANewerVersion(t *testing.T) {
	for _, block := range []string{"", "controls: {preset: root-dns, vow: 3}", "controls: {targets: [{tcp: {address: nonsense}}]}", "control: none", "controls: none\nchecks: []"} {
		_, err := ParseControls("plan", []byte(block))
		if fs := (Faults{}); !errors.As(err, &fs) || !strings.Contains(err.Error(), "plan:") {
			t.Errorf("%q: got error %v, want faults of the plan", block, err)
		}
	}
}

// Every example becomes a plan whose checks are those of the file, but for those that are disabled.
func TestPlan(t *testing.T) {
	for _, path := range examples(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := Parse(path, data, Options{})
		if err != nil {
			t.Fatal(err)
		}
		region := f.Regions[0].Name
		f.Checks[0].Enabled = false
		p := f.Planner().Plan(region, 5)
		if len(p.Checks) != len(f.Checks)-1 || p.Ordinal != 5 || p.Region != region {
			t.Errorf("%s: got %d checks, ordinal %d, region %s, want all but the disabled one", path, len(p.Checks), p.Ordinal, p.Region)
		}
		for _, x := range p.Checks {
			c, err := ParseCheck("plan", x.Block)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if d := cmp.Diff(x, probe.PlanOf(c, region, Block(c)), cmpopts.EquateEmpty()); d != "" {
				t.Errorf("%s: %s (-planned +parsed):\n%s", path, x.ID, d)
			}
		}
	}
}

package web

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/expfmt"
)

// TestCatalogMetrics: labels and groups can be joined, and follow the configuration.
func TestCatalogMetrics(t *testing.T) {
	checks := []Check{
		{ID: "shop", Name: "Shop", Kind: "http", Labels: map[string]string{"team": "web", "tier": "1"}, Groups: []string{"checkout", "core"}},
		{ID: "zone", Name: "zone", Kind: "dns", Labels: map[string]string{"team": "ops"}},
	}
	reg := prometheus.NewPedanticRegistry()
	reg.MustRegister(NewCatalogCollector(func() []Check { return checks }))
	shows := func(want string) {
		t.Helper()
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var got strings.Builder
		for _, f := range families {
			if _, err := expfmt.MetricFamilyToText(&got, f); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, got.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	const head = "# HELP gaikei_check_info 1 for each check of the configuration in force.\n# TYPE gaikei_check_info gauge\n"
	shows("# HELP gaikei_check_group 1 for each group that a check is in.\n# TYPE gaikei_check_group gauge\n" +
		`gaikei_check_group{check="shop",group="checkout"} 1` + "\n" + `gaikei_check_group{check="shop",group="core"} 1` + "\n" + head +
		`gaikei_check_info{check="shop",kind="http",label_team="web",label_tier="1",name="Shop"} 1` + "\n" +
		`gaikei_check_info{check="zone",kind="dns",label_team="ops",label_tier="",name="zone"} 1` + "\n")
	checks = checks[1:]
	shows(head + `gaikei_check_info{check="zone",kind="dns",label_team="ops",name="zone"} 1` + "\n")
}

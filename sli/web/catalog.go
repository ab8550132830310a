package web

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// A CatalogCollector shows which checks the configuration in force has, with their labels and groups, so that queries can join
// them. It is safe for concurrent use.
type CatalogCollector struct {
	catalog func() []Check
	group   *prometheus.Desc
}

// NewCatalogCollector returns a collector of these checks, which are asked for at each scrape.
func NewCatalogCollector(catalog func() []Check) *CatalogCollector {
	return &CatalogCollector{
		catalog: catalog,
		group:   prometheus.NewDesc("gaikei_check_group", "1 for each group that a check is in.", []string{"check", "group"}, nil),
	}
}

// Describe implements prometheus.Collector. It describes nothing, since the labels of a metric depend on the configuration.
func (c *CatalogCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector. All checks have the labels that any has, empty where it has none, which Prometheus takes
// for absent.
func (c *CatalogCollector) Collect(ch chan<- prometheus.Metric) {
	checks := c.catalog()
	names := labelNames(checks)
	labels := []string{"check", "name", "kind"}
	for _, n := range names {
		labels = append(labels, "label_"+n)
	}
	info := prometheus.NewDesc("gaikei_check_info", "1 for each check of the configuration in force.", labels, nil)
	for _, x := range checks {
		values := []string{x.ID, x.Name, x.Kind}
		for _, n := range names {
			values = append(values, x.Labels[n])
		}
		ch <- prometheus.MustNewConstMetric(info, prometheus.GaugeValue, 1, values...)
		for _, g := range x.Groups {
			ch <- prometheus.MustNewConstMetric(c.group, prometheus.GaugeValue, 1, x.ID, g)
		}
	}
}

// labelNames returns the names of the labels that any of the checks has, in order.
func labelNames(checks []Check) []string {
	var names []string
	seen := map[string]bool{}
	for _, c := range checks {
		for n := range c.Labels {
			if !seen[n] {
				seen[n], names = true, append(names, n)
			}
		}
	}
	slices.Sort(names)
	return names
}

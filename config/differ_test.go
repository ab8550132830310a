package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDifferentKeys(t *testing.T) {
	const block = "name: shop\ninterval: 30s\nhttp:\n  url: https://a.example/\n  headers:\n    X-A: \"1\"\nlabels:\n  team: web\n"
	for _, x := range []struct {
		old, next string
		want      []string
	}{
		{block, block, nil},
		{block, "name: shop\ninterval: 10s\nhttp:\n  url: https://b.example/\n  headers:\n    X-A: \"2\"\nlabels:\n  team: web\n", []string{"interval", "http.url", "http.headers"}},
		{block, "name: shop\ninterval: 30s\ntcp:\n  address: a:1\n", []string{"tcp", "http", "labels"}},
		{"", "name: shop\n", []string{"name"}},
		{"name: shop\n", ": :", []string{"name"}},
		{"name: shop\nexpect: reachable\n", "name: shop\nexpect: {unreachable: [all]}\n", []string{"expect"}},
	} {
		if d := cmp.Diff(x.want, DifferentKeys([]byte(x.old), []byte(x.next))); d != "" {
			t.Errorf("from\n%sto\n%s(-want +got):\n%s", x.old, x.next, d)
		}
	}
}

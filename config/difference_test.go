package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDifferences(t *testing.T) {
	const base = `
regions: {tokyo: {}, osaka: {weight: 2}}
controls: {preset: root-dns}
checks:
  - {name: shop, http: {url: "https://user:secret@shop.example.com/"}, interval: 30s}
  - {name: post, id: mail, tcp: {address: "mail.example.com:25"}}
maintenance:
  - {name: weekly, checks: [shop], cron: "0 3 * * SUN", for: 2h}
`
	show := func(text string) []byte {
		t.Helper()
		f, err := Parse("gaikei.yaml", []byte(text), Options{})
		if err != nil {
			t.Fatal(err)
		}
		return f.Show()
	}
	for _, x := range []struct {
		name     string
		from, to []string // replaced in base
		want     []string
	}{
		{"nothing", nil, nil, nil},
		{"order of keys", []string{`{name: shop, http: {url: "https://user:secret@shop.example.com/"}, interval: 30s}`}, []string{`{interval: 30s, name: shop, http: {url: "https://user:secret@shop.example.com/"}}`}, nil},
		{"a credential cannot be told", []string{"secret"}, []string{"other"}, nil},
		{"a check", []string{"interval: 30s", "https://user"}, []string{"interval: 10s, labels: {team: web}", "http://user"}, []string{"check shop: changed http.url, interval, labels"}},
		{"another kind", []string{`tcp: {address: "mail.example.com:25"}`}, []string{`dns: {server: "192.0.2.53", name: example.com}`}, []string{"check mail: changed dns, tcp"}},
		{"renamed, with the same id", []string{"name: post"}, []string{"name: letters"}, []string{"check mail: changed name"}},
		{"another id", []string{"id: mail"}, []string{"id: letters"}, []string{"check letters: added", "check mail: removed"}},
		{"regions", []string{"osaka: {weight: 2}"}, []string{"kyoto: {}"}, []string{"region kyoto: added", "region osaka: removed"}},
		{"a weight", []string{"weight: 2"}, []string{"weight: 3"}, []string{"region osaka: changed weight"}},
		{"controls", []string{"{preset: root-dns}"}, []string{"{preset: root-dns, quorum: 3}"}, []string{"controls: changed quorum"}},
		{"no controls", []string{"{preset: root-dns}"}, []string{"none"}, []string{"controls: changed"}},
		{"maintenance", []string{"for: 2h"}, []string{"for: 3h"}, []string{"maintenance weekly: changed for"}},
		{"a feed", []string{"controls:"}, []string{"feeds: {otlp: [{name: back, url: \"https://otlp.example.com\"}]}\ncontrols:"}, []string{"feed back: added"}},
		{"retention", []string{"controls:"}, []string{"retention: 100d\ncontrols:"}, []string{"retention: changed"}},
	} {
		next := base
		for i := range x.from {
			next = strings.Replace(next, x.from[i], x.to[i], 1)
		}
		ds, err := Differences(show(base), show(next))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range ds {
			got = append(got, d.String())
		}
		if d := cmp.Diff(x.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", x.name, d)
		}
	}
	if _, err := Differences([]byte("<html>"), show(base)); err == nil {
		t.Error("what is no configuration was compared")
	}
}

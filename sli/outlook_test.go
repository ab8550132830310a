package sli_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
)

func TestOutlook(t *testing.T) {
	type stands map[string]string // by check: of regions a, b, c in order: g good, b bad for long, f bad for one slot, - none
	for _, x := range []struct {
		name       string
		stands     stands
		islands    []sli.Island
		peninsulas []sli.Peninsula
	}{
		{"all is well", stands{"w": "ggg", "x": "ggg"}, nil, nil},
		{"a target is down", stands{"w": "bbb", "x": "ggg"}, nil, nil},
		{"everything is down", stands{"w": "bbb", "x": "bbb", "y": "bbb"}, nil, nil},
		{"a partial outage", stands{"w": "gbg", "x": "ggg"}, nil, []sli.Peninsula{{Check: "w", Bad: []string{"b"}, Good: []string{"a", "c"}}}},
		{"one slot is not enough", stands{"w": "gfg"}, nil, nil},
		{"a region on its own", stands{"w": "gbg", "x": "gbg", "y": "gbg", "z": "ggg"}, []sli.Island{{Region: "b", Alone: 3, Of: 4}}, nil},
		{"and a partial outage between the others", stands{"w": "gbg", "x": "gbg", "y": "gbg", "z": "bgg"}, []sli.Island{{Region: "b", Alone: 3, Of: 4}}, []sli.Peninsula{{Check: "z", Bad: []string{"a"}, Good: []string{"c"}}}},
		{
			"two targets are too few to blame a region",
			stands{"w": "gbg", "x": "gbg"},
			nil,
			[]sli.Peninsula{{Check: "w", Bad: []string{"b"}, Good: []string{"a", "c"}}, {Check: "x", Bad: []string{"b"}, Good: []string{"a", "c"}}},
		},
		{
			"so are three of many",
			stands{"u": "ggg", "v": "ggg", "w": "gbg", "x": "gbg", "y": "gbg", "s": "ggg", "t": "ggg"},
			nil,
			[]sli.Peninsula{{Check: "w", Bad: []string{"b"}, Good: []string{"a", "c"}}, {Check: "x", Bad: []string{"b"}, Good: []string{"a", "c"}}, {Check: "y", Bad: []string{"b"}, Good: []string{"a", "c"}}},
		},
		{"what only one region looks at says nothing", stands{"w": "-b-", "x": "-b-", "y": "-b-"}, nil, nil},
		{"nor do two regions agree on an island", stands{"w": "bbg", "x": "bbg", "y": "bbg"}, []sli.Island{}, []sli.Peninsula{
			{Check: "w", Bad: []string{"a", "b"}, Good: []string{"c"}}, {Check: "x", Bad: []string{"a", "b"}, Good: []string{"c"}}, {Check: "y", Bad: []string{"a", "b"}, Good: []string{"c"}},
		}},
	} {
		t.Run(x.name, func(t *testing.T) {
			var all []sli.Stand
			for check, text := range x.stands {
				for i, c := range text {
					s := sli.Stand{Series: sli.Series{Check: check, Region: string(rune('a' + i))}, Good: c == 'g', Run: 9}
					if c == 'f' {
						s.Run = 1
					}
					if c != '-' {
						all = append(all, s)
					}
				}
			}
			rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			want := sli.Outlook{Islands: append([]sli.Island{}, x.islands...), Peninsulas: append([]sli.Peninsula{}, x.peninsulas...)}
			if d := cmp.Diff(want, sli.NewOutlook(all)); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func BenchmarkOutlook(b *testing.B) {
	var all []sli.Stand
	for i := range 10_000 {
		for r := range 20 {
			all = append(all, sli.Stand{Series: sli.Series{Check: fmt.Sprint("check-", i), Region: fmt.Sprint("region-", r)}, Good: i%100 != r, Run: 5})
		}
	}
	for b.Loop() {
		sli.NewOutlook(all)
	}
}

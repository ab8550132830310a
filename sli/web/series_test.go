package web

import (
	"strings"
	"testing"
	"time"

	"github.com/gaikei/gaikei/sli"
)

func TestSeriesAPI(t *testing.T) {
	m, catalog := scene()
	o := &oracle{}
	h := NewHandler(Options{Source: m, Analyst: o, Catalog: func() []Check { return catalog }, Now: func() time.Time { return noon }})
	tokyo, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name, path string
		status     int
		says       string
		period     sli.Period
	}{
		{"hours by default", "series?window=1d", 200, `"check":"shop"`, sli.Period{Length: time.Hour}},
		{"a length", "series?window=28d&step=1d&check=shop", 200, `"items":[`, sli.Period{Length: 24 * time.Hour}},
		{"days", "series?window=28d&step=day", 200, `"items":[`, sli.Period{Unit: "day", Zone: time.UTC}},
		{"of a zone", "series?window=28d&step=week&timezone=Asia/Tokyo", 200, `"items":[`, sli.Period{Unit: "week", Zone: tokyo}},
		{"an unknown zone", "series?step=day&timezone=Tokyo", 400, "want one of the IANA list", sli.Period{}},
		{"a zone of a length", "series?step=1h&timezone=Asia/Tokyo", 400, "a length has none", sli.Period{}},
		{"no step", "series?step=often", 400, "or day, week, month or quarter", sli.Period{}},
		{"of part of a second", "series?step=10ms", 400, "want whole seconds", sli.Period{}},
		{"too many", "series?step=1s&window=28d", 400, "too many steps of 1s, want at most 5000", sli.Period{Length: time.Second}},
		{"a typo", "series?stepp=1h", 400, `"nearest":"step"`, sli.Period{}},
		{"an unknown check", "series?check=shopp", 400, `did you mean \"shop\"?`, sli.Period{}},
	} {
		t.Run(x.name, func(t *testing.T) {
			o.period = sli.Period{}
			status, got := tryOn(t, h, "GET", "/api/v1/"+x.path, "")
			if status != x.status || !strings.Contains(got, x.says) || o.period.String() != x.period.String() {
				t.Errorf("got %d %s by %v, want %d and %s by %v", status, got, o.period, x.status, x.says, x.period)
			}
		})
	}
}

package sli_test

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/sli"
)

func TestFormatRatio(t *testing.T) {
	for r, want := range map[float64]string{
		0: "0%", 1: "100%", 0.5: "50.00%", 0.9: "90.00%", 0.99: "99.00%", 0.999: "99.90%", 0.9999: "99.99%",
		0.99999: "99.999%", 0.999987: "99.998%", 0.9999999: "99.99999%", 0.9915254237288136: "99.15%", 0.998999: "99.89%",
		0.29: "29.00%", 0.05: "5.00%", 0.0512: "5.12%", 0.001: "0.10%", 0.00001: "0.001%", 1e-7: "0.00001%",
		math.Nextafter(1, 0): "99.99999999999999%",
	} {
		if got := sli.FormatRatio(&r); got != want {
			t.Errorf("%v: want %s, got %s", r, want, got)
		}
	}
	if got := sli.FormatRatio(nil); got != sli.Undefined {
		t.Errorf("undefined: want %s, got %s", sli.Undefined, got)
	}
}

// What is shown is never more than what is, off by less than a unit of its last digit, and 100% or 0% only if it is.
func TestFormatRatioNeverFlatters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.Float64Range(1e-9, 1-1e-12).Draw(t, "r")
		if rapid.Bool().Draw(t, "near 1") {
			r = 1 - math.Pow(10, -12*r)
		}
		text := strings.TrimSuffix(sli.FormatRatio(&r), "%")
		shown, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		_, decimals, _ := strings.Cut(text, ".")
		unit := math.Pow(10, -float64(len(decimals)))
		if shown <= 0 || shown >= 100 || shown > r*100+1e-12 || shown < r*100-unit-1e-12 {
			t.Fatalf("%v is shown as %s", r, text)
		}
	})
}

func TestFormatSeconds(t *testing.T) {
	for v, want := range map[sli.Value]string{
		0.00085: "850µs", 0.0000015: "1.50µs", 0.0009996: "1.00ms", 0.0411654: "41.2ms", 0.25: "250ms", 0.9994: "999ms", 0.9996: "1.00s",
		1.2345: "1.23s", 9.996: "10.0s", 75: "75.0s", 100: "100s", 3600: "3600s", sli.Value(math.Inf(1)): "∞",
	} {
		if got := sli.FormatSeconds(&v); got != want {
			t.Errorf("%v: want %s, got %s", float64(v), want, got)
		}
	}
	if got := sli.FormatSeconds(nil); got != sli.Undefined {
		t.Errorf("undefined: want %s, got %s", sli.Undefined, got)
	}
}

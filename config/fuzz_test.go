package config

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzParse: whatever the text, nothing panics, every fault has its place in the text, and what loads comes out the
// same when it is written and read again.
func FuzzParse(f *testing.F) {
	entries, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			continue // the corpus
		}
		data, err := os.ReadFile(filepath.Join("testdata", e.Name()))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		first, err := newDecoder("fuzz.yaml", noFiles).parse(data, Options{Now: now()})
		if err != nil {
			checkPlaces(t, data, err)
			return
		}
		text := newEncoder().bytes(reflect.ValueOf(*first))
		second, err := newDecoder("again.yaml", noFiles).parse(text, Options{Now: now()})
		if err != nil {
			t.Fatalf("written and read again: %v\n%s", err, text)
		}
		if diff := cmp.Diff(first, second, alike()); diff != "" {
			t.Fatalf("written and read again (-first +second):\n%s\n%s", diff, text)
		}
		if _, err := Parse("shown.yaml", first.Show(), Options{Now: now()}); err != nil {
			t.Fatalf("what is shown does not load: %v\n%s", err, first.Show())
		}
	})
}

// checkPlaces fails unless every fault says something about a place that there is.
func checkPlaces(t *testing.T, data []byte, err error) {
	t.Helper()
	var faults Faults
	if !errors.As(err, &faults) || len(faults) == 0 {
		t.Fatalf("the error is no Faults: %T %v", err, err)
	}
	lines := bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r")) + bytes.Count(data, []byte("\u0085")) +
		bytes.Count(data, []byte("\u2028")) + bytes.Count(data, []byte("\u2029")) + 1
	for _, f := range faults {
		if f.Line < 1 || f.Line > lines+1 || f.Column < 1 || f.Message == "" || f.File != "fuzz.yaml" {
			t.Errorf("fault without a place in %d lines: %+v", lines, f)
		}
	}
}

func FuzzDuration(f *testing.F) {
	for _, s := range []string{"30s", "1h30m", "28d", "1y2w3d4h5m6s7ms", "0", "1.5h", "99999999999999999999s", "1m1h", "ms", "-5s", "106751d23h47m16s854ms"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			return
		}
		if again, err := ParseDuration(FormatDuration(d)); d < 0 || err != nil || again != d {
			t.Errorf("ParseDuration(%q) = %v; written %s, read again %v, %v", s, d, FormatDuration(d), again, err)
		}
	})
}

// FuzzParseCheck: a block from elsewhere is a check or a fault, and reads no file.
func FuzzParseCheck(f *testing.F) {
	file, err := Load("testdata/good-kinds.yaml", Options{})
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range file.Checks {
		f.Add(Block(c))
	}
	f.Add([]byte("name: a\nhttp: {url: 'http://a/', send: {file: /etc/hostname}}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseCheck("fuzz.yaml", data)
		if err != nil {
			checkPlaces(t, data, err)
			return
		}
		again, err := ParseCheck("again.yaml", Block(c))
		if err != nil {
			t.Fatalf("written and read again: %v\n%s", err, Block(c))
		}
		if Changed(c, again) {
			t.Fatalf("written and read again: changed\n%s\n%s", Block(c), Block(again))
		}
	})
}

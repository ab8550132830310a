package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// A parameter is a query parameter that a handler takes.
type parameter struct {
	name       string
	repeatable bool
	needed     bool   // there is no answer without it
	about      string // what it means, for the document
	schema     object // of one value; nil: any text
	example    any
}

// values reads the query strictly: a parameter that is misspelt must not silently change the question.
func values(r *http.Request, takes ...parameter) (url.Values, error) {
	v, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &problem{
			Title: "Bad request", Status: http.StatusBadRequest,
			Detail: "the query cannot be read: " + err.Error(), Got: r.URL.RawQuery, Want: "name=value&name=value, percent-encoded",
		}
	}
	for _, name := range sortedKeys(v) {
		i := slices.IndexFunc(takes, func(p parameter) bool { return p.name == name })
		switch {
		case i < 0:
			return nil, unknownParameter(name, takes)
		case len(v[name]) > 1 && !takes[i].repeatable:
			return nil, badParameter(name, strings.Join(v[name], ", "), "given more than once")
		}
	}
	for _, p := range takes {
		if p.needed && v.Get(p.name) == "" {
			return nil, badParameter(p.name, "", fmt.Sprintf("required; for example %s=%v", p.name, p.example))
		}
	}
	return v, nil
}

func unknownParameter(name string, takes []parameter) *problem {
	var known []string
	for _, p := range takes {
		known = append(known, p.name)
	}
	p := badParameter(name, name, "unknown here")
	p.Nearest = nearest(name, known)
	p.Want = "one of " + strings.Join(known, ", ")
	if len(known) == 0 {
		p.Want = "no parameter"
	}
	if p.Nearest != "" {
		p.Detail += "; did you mean " + p.Nearest + "?"
	}
	return p
}

// query makes a question of the parameters.
func (s *server) query(v url.Values) (sli.Query, error) { return s.queryAt(v, s.Now()) }

// queryAt makes a question of the parameters as it is asked at an instant.
func (s *server) queryAt(v url.Values, now time.Time) (sli.Query, error) {
	q, err := ParseQuery(v.Get("window"), v.Get("from"), v.Get("to"), now)
	if err == nil {
		q.AsOf, err = parseTime(v.Get("as_of"), now)
		if err != nil {
			err = fmt.Errorf("as_of: %w", err)
		}
	}
	if err == nil {
		// Told here, since a contradiction is the asker's fault and a failing store is not.
		_, err = q.Resolve(now)
	}
	if err != nil {
		return q, windowProblem(v, err)
	}
	q.Checks, q.Regions = v["check"], v["region"]
	return q, nil
}

// windowWant says how a window is asked for.
const windowWant = "window=1h, or from and to as RFC 3339 or relative like -2h"

func windowProblem(v url.Values, err error) *problem {
	var got []string
	for _, p := range windowParameters {
		if v.Has(p.name) {
			got = append(got, p.name+"="+v.Get(p.name))
		}
	}
	return &problem{
		Title: "Bad request", Status: http.StatusBadRequest, Detail: err.Error(), Got: strings.Join(got, " "),
		Want: windowWant,
	}
}

// known checks that a name that was asked for is one of those there are.
func known(name, got string, there []string) error {
	if slices.Contains(there, got) {
		return nil
	}
	p := badParameter(name, got, fmt.Sprintf("there is no %s %q", name, got))
	p.Want = "the name of a " + name
	if p.Nearest = nearest(got, there); p.Nearest != "" {
		p.Detail += fmt.Sprintf("; did you mean %q?", p.Nearest)
	}
	return p
}

// limit reads how many items are wanted, between 1 and most.
func limit(v url.Values, usual, most int) (int, error) {
	if !v.Has("limit") {
		return usual, nil
	}
	n, err := strconv.Atoi(v.Get("limit"))
	if err != nil || n < 1 || n > most {
		p := badParameter("limit", v.Get("limit"), "not a number in range")
		p.Want = fmt.Sprintf("a whole number from 1 to %d", most)
		return 0, p
	}
	return n, nil
}

// nearest returns the candidate that differs least from s, or nothing if none is near.
func nearest(s string, candidates []string) string {
	best, found := max(2, min(len(s), farthest)/3)+1, ""
	for _, c := range candidates {
		if d := distance(s, c); d < best {
			best, found = d, c
		}
	}
	return found
}

// farthest is the distance of texts longer than that from everything: they come from the asker, and the work
// grows with the square of their length.
const farthest = 64

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	if len(a) > farthest || len(b) > farthest {
		return farthest
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

package web

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// mostItems is the largest page that may be asked for; all of a list is had without a limit.
const mostItems = 10_000

// A cursor says where a page of a list ended, for the one after it. It pins the clock and the as_of of the first page, so that all
// pages are about the same window. It is nobody's secret: who makes one up gets what other parameters would have given.
type cursor struct {
	Question string   `json:"q"` // the hash of the question it belongs to
	Now      int64    `json:"n"` // Unix ns
	AsOf     int64    `json:"a"` // Unix ms
	After    []string `json:"k"` // the key of the item before
}

// A page is which part of a list is asked for.
type page struct {
	question string
	now      time.Time
	limit    int      // 0: all
	asOf     int64    // Unix ms, of the first page; 0: this is the first
	after    []string // nil: from the beginning
}

// page reads which part of a list is asked for, with keys of so many texts, and the question about a window.
func (s *server) page(r *http.Request, v url.Values, key int) (page, sli.Query, error) {
	n, err := limit(v, 0, mostItems)
	if err != nil {
		return page{}, sli.Query{}, err
	}
	p := page{question: questionOf(r.URL.Path, v), now: s.Now(), limit: n}
	if v.Has("next") {
		if err := p.resume(v.Get("next"), key); err != nil {
			return p, sli.Query{}, err
		}
	}
	q, err := s.queryAt(v, p.now)
	if p.after != nil {
		q.AsOf = time.UnixMilli(p.asOf).UTC()
	}
	return p, q, err
}

// questionOf is a hash of what is asked, whichever part of it.
func questionOf(path string, v url.Values) string {
	v = maps.Clone(v)
	v.Del("limit")
	v.Del("next")
	sum := sha256.Sum256([]byte(path + "?" + v.Encode()))
	return hex.EncodeToString(sum[:8])
}

// resume goes on where a cursor says.
func (p *page) resume(text string, key int) error {
	var c cursor
	body, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(body, &c)
	}
	bad := func(detail string) error {
		problem := badParameter("next", fmt.Sprintf("%.200s", text), detail)
		problem.Want = "what the answer before this one had as next"
		return problem
	}
	now := time.Unix(0, c.Now).UTC()
	switch {
	case err != nil || len(c.After) != key:
		return bad("not a cursor of this list")
	case c.Question != p.question:
		return bad("it belongs to another question: all parameters but limit must be the same")
	case now.After(p.now) || c.AsOf > c.Now/int64(time.Millisecond):
		return bad("it is of a time that is to come")
	}
	p.now, p.asOf, p.after = now, c.AsOf, c.After
	return nil
}

// check refuses to go on with another as_of than the first page had.
func (p *page) check(asOf time.Time) error {
	if p.after == nil || asOf.UnixMilli() == p.asOf {
		return nil
	}
	return &problem{
		Title: "Gone", Status: http.StatusGone, Parameter: "next",
		Detail: "the list cannot be gone on with, since a check with a longer time budget is new", Want: "the question from its first page on",
	}
}

// next is the cursor after the item with a key.
func (p *page) next(asOf time.Time, key ...string) (*string, error) {
	body, err := json.Marshal(cursor{p.question, p.now.UnixNano(), asOf.UnixMilli(), key})
	text := base64.RawURLEncoding.EncodeToString(body)
	return &text, err
}

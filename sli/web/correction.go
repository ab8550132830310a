package web

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// A Corrector keeps corrections. All methods are safe for concurrent use.
type Corrector interface {
	// Corrections lists those that touch the window, also revoked ones, from the oldest to the newest.
	Corrections(ctx context.Context, q sli.Query) ([]sli.Correction, error)
	// Correct stores a correction that is valid and returns it as it is stored. An error that is the asker's fault wraps
	// ErrRefused.
	Correct(ctx context.Context, c sli.Correction) (sli.Correction, error)
	// Revoke ends a correction; false: there is none with this id that is in force.
	Revoke(ctx context.Context, id string, r sli.Revocation) (bool, error)
	// Preview gives the reports as they would be with one more correction that is valid.
	Preview(ctx context.Context, c sli.Correction, q sli.Query) ([]sli.Report, error)
}

// correctionWant shows what a correction looks like.
const correctionWant = `{"checks":["shop"],"regions":[],"from":"2026-11-23T00:00:00Z","to":"2026-11-23T01:00:00Z",` +
	`"effect":"exclude","category":"false_alarm","reason":"…","author":"…"}`

func (s *server) apiCorrections(r *http.Request, v url.Values) (any, error) {
	q, err := s.correctionQuery(v)
	if err != nil {
		return nil, err
	}
	if err := s.chosen(r.Context(), &q.Checks, q.Regions); err != nil {
		return nil, err
	}
	all, err := s.Corrector.Corrections(r.Context(), q)
	return listOf(all), err
}

// correctionQuery makes a question of the parameters; without a window it is about all time.
func (s *server) correctionQuery(v url.Values) (sli.Query, error) {
	if v.Has("window") || v.Has("from") || v.Has("to") {
		return s.query(v)
	}
	return sli.Query{Checks: v["check"], Regions: v["region"], From: time.Unix(0, 0).UTC(), Now: s.Now()}, nil
}

func (s *server) apiCorrect(r *http.Request, _ url.Values) (any, error) {
	c, err := s.correction(r)
	if err != nil {
		return nil, err
	}
	stored, err := s.Corrector.Correct(r.Context(), c)
	if err != nil {
		return nil, refusal(err)
	}
	return stored, nil
}

// A previewItem is a report as it is, and as it would be.
type previewItem struct {
	Now  sli.Report `json:"now"`
	Then sli.Report `json:"then"`
}

// apiPreview answers with the reports that a correction would change.
func (s *server) apiPreview(r *http.Request, v url.Values) (any, error) {
	q, err := s.query(v)
	if err != nil {
		return nil, err
	}
	c, err := s.correction(r)
	if err != nil {
		return nil, err
	}
	q.Checks = c.Checks
	then, err := s.Corrector.Preview(r.Context(), c, q)
	if err != nil {
		return nil, refusal(err)
	}
	now, err := s.Source.Reports(r.Context(), q)
	if err != nil {
		return nil, err
	}
	return listOf(changed(now, then)), nil
}

// changed pairs reports about the same whose counts differ.
func changed(now, then []sli.Report) []previewItem {
	of := func(r *sli.Report) sli.Series {
		x := sli.Series{Check: r.Check}
		if r.Region != nil {
			x.Region = *r.Region
		}
		return x
	}
	before := map[sli.Series]*sli.Report{}
	for i := range now {
		before[of(&now[i])] = &now[i]
	}
	var items []previewItem
	for i := range then {
		if b := before[of(&then[i])]; b != nil && (b.Slots != then[i].Slots || b.Corrected != then[i].Corrected) {
			items = append(items, previewItem{*b, then[i]})
		}
	}
	return items
}

// correction reads the body of a request as a valid correction of checks that there are.
func (s *server) correction(r *http.Request) (sli.Correction, error) {
	var c sli.Correction
	if err := readBody(r, &c, correctionWant); err != nil {
		return c, err
	}
	bad := func(err error) (sli.Correction, error) {
		return c, &problem{Title: "Bad request", Status: http.StatusBadRequest, Detail: err.Error(), Want: correctionWant}
	}
	if !c.Created.IsZero() || c.Revoked != nil {
		return bad(fmt.Errorf("created_at and revoked are not for the asker to say"))
	}
	if len(c.Labels) > 0 {
		chosen := s.labelled(c.Labels)
		c.Checks = append(c.Checks, chosen...)
		if len(chosen) == 0 {
			return bad(fmt.Errorf("no check of the configuration in force has the labels %s", labelText(c.Labels)))
		}
	}
	if err := s.chosen(r.Context(), &c.Checks, c.Regions); err != nil {
		return c, err
	}
	slices.Sort(c.Checks)
	c.Checks = slices.Compact(c.Checks)
	if err := c.Validate(s.Now()); err != nil {
		return bad(err)
	}
	return c, nil
}

// labelled are the checks of the configuration in force that have all of these labels.
func (s *server) labelled(labels map[string]string) []string {
	var ids []string
	for _, c := range s.Catalog() {
		all := true
		for name, value := range labels {
			got, ok := c.Labels[name]
			all = all && ok && got == value
		}
		if all {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

func labelText(labels map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, name+"="+labels[name])
	}
	return strings.Join(parts, ", ")
}

// revocationWant shows how a correction is ended.
const revocationWant = `{"author":"…","reason":"…"}`

func (s *server) apiRevokeCorrection(r *http.Request, _ url.Values) (any, error) {
	var rev sli.Revocation
	if err := readBody(r, &rev, revocationWant); err != nil {
		return nil, err
	}
	if err := rev.Validate(); err != nil {
		return nil, &problem{Title: "Bad request", Status: http.StatusBadRequest, Detail: err.Error(), Want: revocationWant}
	}
	id := r.PathValue("id")
	done, err := s.Corrector.Revoke(r.Context(), id, rev)
	if err != nil {
		return nil, refusal(err)
	}
	if !done {
		return nil, &problem{
			Title: "Not found", Status: http.StatusNotFound, Detail: fmt.Sprintf("no correction %.80q is in force", id), Got: fmt.Sprintf("%.80s", id),
			Want: "an id of /api/v1/corrections that was not revoked",
		}
	}
	return revoked{id}, nil
}

// readBody reads what is sent to change something, strictly.
func readBody(r *http.Request, into any, want string) error {
	d := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil && d.More() {
		err = fmt.Errorf("there is more than one value")
	}
	if err != nil {
		return &problem{Title: "Bad request", Status: http.StatusBadRequest, Detail: "the body cannot be read: " + err.Error(), Want: want}
	}
	return nil
}

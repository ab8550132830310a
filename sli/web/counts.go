package web

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// mostSteps bounds how many steps one answer has: a week by the minute, and some more.
const mostSteps = 11_000

// usualStep is the step of a question that names none.
const usualStep = time.Minute

func (s *server) apiCounts(r *http.Request, v url.Values) (any, error) {
	q, err := s.query(v)
	if err != nil {
		return nil, err
	}
	x := sli.Series{Check: v.Get("check"), Region: v.Get("region")}
	for _, name := range []string{"check", "region"} {
		if v.Get(name) == "" {
			return nil, badParameter(name, "", "required; for example check=shop&region=tokyo")
		}
	}
	if err := s.knownNames(r.Context(), []string{x.Check}, q.Regions); err != nil {
		return nil, err
	}
	step, err := stepOf(v, q)
	if err != nil {
		return nil, err
	}
	return s.Source.Counts(r.Context(), x, q, step)
}

// stepOf reads the length of a step, of which there may not be too many in the window that is asked for.
func stepOf(v url.Values, q sli.Query) (time.Duration, error) {
	step, text := usualStep, v.Get("step")
	if text != "" {
		d, err := parseDuration(text)
		if err != nil {
			return 0, badParameter("step", text, err.Error())
		}
		step = d.Truncate(time.Millisecond)
	}
	w, err := q.Resolve(q.Now)
	if err != nil {
		return 0, err
	}
	if least := (w.To - w.From) / mostSteps; step.Milliseconds() < least {
		p := badParameter("step", step.String(), fmt.Sprintf("it would be taken more than %d times", mostSteps))
		p.Want = fmt.Sprintf("at least %ds, or a shorter window", least/1000+1)
		return 0, p
	}
	return step, nil
}

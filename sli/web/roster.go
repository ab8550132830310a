package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// A Roster is who may connect as a prober, and who does. All methods are safe for concurrent use.
type Roster interface {
	// Enrollments lists every key that was ever let in, by region and prober.
	Enrollments(ctx context.Context) ([]Enrollment, error)
	// Enroll lets a key in. An error that is the asker's fault wraps ErrRefused.
	Enroll(ctx context.Context, e Enrollment) error
	// Revoke ends a key and its connections; false: there is no such key, or it was revoked before.
	Revoke(ctx context.Context, key string) (bool, error)
	// Meeting tells where probers connect.
	Meeting() Meeting
	// Present lists the probers that are enrolled or were heard of, by region and name.
	Present() []Presence
}

// ErrRefused is wrapped by errors about what an asker wants and cannot have.
var ErrRefused = errors.New("refused")

// An Enrollment is a key by which a prober may connect. The secret that belongs to it never leaves who made it.
type Enrollment struct {
	Key     string     `json:"key"` // public
	Region  string     `json:"region"`
	Prober  string     `json:"prober"`
	Created time.Time  `json:"created_at"`
	Revoked *time.Time `json:"revoked_at"` // null: it has not been
}

// A Meeting is where probers connect, and whom they can trust there.
type Meeting struct {
	URLs []string `json:"urls"`
	CA   string   `json:"ca"` // PEM; empty: the system's
}

// The states of a prober.
const (
	ProberPresent = "present" // its last heartbeat is less than two of them ago
	ProberSilent  = "silent"  // it is not
	ProberNever   = "never"   // it was never heard of since the aggregator started
	ProberRevoked = "revoked" // it was heard of just before its last key was ended
)

// A Presence is how a prober fares, by its own last heartbeat.
type Presence struct {
	Region       string     `json:"region"`
	Prober       string     `json:"prober"`
	State        string     `json:"state"`          // present, silent, never or revoked
	Heard        *time.Time `json:"last_heartbeat"` // null: never
	Version      string     `json:"version"`        // of the program
	Revision     int64      `json:"revision"`       // of the plan that it follows; 0: none
	Newest       int64      `json:"newest_revision"`
	PlanError    string     `json:"plan_error,omitempty"` // why it does not follow the newest plan
	Checks       int        `json:"checks"`
	Refused      int        `json:"refused_checks"` // that it does not understand
	Running      int        `json:"running_probes"`
	MaxRunning   int        `json:"max_running"`
	QueuePending int64      `json:"queue_pending_messages"`
	QueueAge     float64    `json:"queue_oldest_seconds"`
	Dropped      int64      `json:"dropped"`              // results, messages and evidence lost since its start
	ClockOffset  *float64   `json:"clock_offset_seconds"` // how far its clock is ahead of the aggregator's; null: not known
	Faults       []string   `json:"faults"`               // what keeps it from seeing
}

func (s *server) apiPresence(*http.Request, url.Values) (any, error) {
	present := s.Roster.Present()
	for i := range present {
		if present[i].Faults == nil {
			present[i].Faults = []string{}
		}
	}
	return listOf(present), nil
}

func (s *server) apiMeeting(*http.Request, url.Values) (any, error) {
	return s.Roster.Meeting(), nil
}

func (s *server) apiEnrollments(r *http.Request, _ url.Values) (any, error) {
	es, err := s.Roster.Enrollments(r.Context())
	return listOf(es), err
}

// maxBody bounds what is sent to change something.
const maxBody = 64 << 10

// enrollmentWant shows how a key is let in.
const enrollmentWant = `{"key":"U…","region":"tokyo","prober":"p1"}`

func (s *server) apiEnroll(r *http.Request, _ url.Values) (any, error) {
	var e Enrollment
	if err := readBody(r, &e, enrollmentWant); err != nil {
		return nil, err
	}
	if err := s.Roster.Enroll(r.Context(), e); err != nil {
		return nil, refusal(err)
	}
	return e, nil
}

func (s *server) apiRevoke(r *http.Request, _ url.Values) (any, error) {
	key := r.PathValue("key")
	done, err := s.Roster.Revoke(r.Context(), key)
	if err != nil {
		return nil, refusal(err)
	}
	if !done {
		return nil, &problem{
			Title: "Not found", Status: http.StatusNotFound, Detail: fmt.Sprintf("no key %.80q can connect", key), Got: fmt.Sprintf("%.80s", key),
			Want: "a key of /api/v1/enrollments that was not revoked",
		}
	}
	return revoked{key}, nil
}

// A revoked answer names what was ended.
type revoked struct {
	Revoked string `json:"revoked"`
}

// refusal makes a problem of what an asker cannot have.
func refusal(err error) error {
	if errors.Is(err, ErrRefused) {
		return &problem{Title: "Bad request", Status: http.StatusBadRequest, Detail: err.Error()}
	}
	return err
}

func (s *server) apiChanges(r *http.Request, v url.Values) (any, error) {
	return figuresFor(s, r, v, s.Source.Changes)
}

// Package web shows what the timelines amount to: an API in JSON for programs, a page for people, and
// metrics for Prometheus. It computes no figure of its own; every number comes from sli, by way of a Source.
// It leaves listening, time limits and TLS to who serves it.
//
// # Who may ask
//
// A Gate lets askers in by bearer token, by user and password, or by the client certificate that TLS has verified.
// Every route declares the scope it needs. Without credentials it answers 401, with too few of them 403, under /api/
// as a problem.
//
// # The API
//
// All answers are JSON. Lists are {"items":[…],"next":…}, or line by line for who accepts application/x-ndjson; errors are problem
// details as of RFC 9457 with the members type, title, status, detail and, where they apply, parameter, got, want and nearest. An
// unknown or repeated parameter is an error. Times are RFC 3339 or relative to now, like -1h; durations are
// like 90s, 1h30m or 28d.
//
// What there is stands in the tables of operations.go, of which the handlers and the OpenAPI document at /api/v1/openapi.json are
// made. To add an operation is to add a row there, and what its new members mean to words.go.
//
// An answer of up to a mebibyte is held back until it is whole, and has an ETag. A longer one is sent as it is made; if that fails,
// the connection is broken.
//
// # The page
//
// / lists every check by region (parameters window, region, show, q); /checks/ID tells all about one.
// Both are complete without JavaScript and carry no inline script or style.
package web

import (
	"context"
	"iter"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// A Source answers questions about timelines. All methods are safe for concurrent use.
type Source interface {
	// Reports gives one report per check and region that was due in the window, and one per check over its
	// regions. All answers to one question have the same as_of.
	Reports(ctx context.Context, q sli.Query) ([]sli.Report, error)
	// EachReport gives the same check by check, by id, from a check on; the empty one is the first. Those of a check are by region,
	// and then the one over all. It holds few at a time. An error is the last thing it gives.
	EachReport(ctx context.Context, q sli.Query, from string) iter.Seq2[[]sli.Report, error]
	// Counts counts the slots of one timeline step by step; of the query it takes the window.
	Counts(ctx context.Context, x sli.Series, q sli.Query, step time.Duration) (sli.Counts, error)
	// Probers gives one report per region.
	Probers(ctx context.Context, q sli.Query) ([]sli.ProberReport, error)
	// Phases gives one report per check and region that was due in the window, in whole hours around it.
	Phases(ctx context.Context, q sli.Query) ([]sli.PhaseReport, error)
	// Outlook tells what the newest verdicts of all checks say together.
	Outlook(ctx context.Context) (sli.Outlook, error)
	// Changes gives what the configuration changed of checks in the window, oldest first.
	Changes(ctx context.Context, q sli.Query) ([]sli.Change, error)
	// Rejected gives what was put aside in the window, newest first.
	Rejected(ctx context.Context, q sli.Query) ([]sli.Rejected, error)
	// Recent gives the last n due slots up to now, oldest first; the newest may not have arrived yet.
	Recent(ctx context.Context, check, region string, n int) ([]sli.Slot, error)
	// Evidence gives the last n pieces of evidence, newest first.
	Evidence(ctx context.Context, check, region string, n int) ([]probe.Evidence, error)
	// Spans gives the intervals that change how slots of the timeline in [from, to), Unix ms, count.
	Spans(ctx context.Context, x sli.Series, from, to int64) ([]sli.Span, error)
	// Series names every timeline there is.
	Series(ctx context.Context) ([]sli.Series, error)
}

// A Check is what the page and the API say about a check of the configuration in force.
type Check struct {
	ID       string
	Name     string
	Kind     string // "http", "tcp", "dns"
	Target   string // for people, without credentials
	Interval time.Duration
	Timeout  time.Duration
	Under    time.Duration // latency threshold; zero: none
	Labels   map[string]string
	Groups   []string
	Regions  []string          // in the order of the configuration
	Expect   map[string]string // by region: "reachable", "unreachable by refused, timeout"
	Enabled  bool
}

// Options are what the handler needs. Source is required.
type Options struct {
	Source   Source
	Catalog  func() []Check      // the checks of the configuration in force; nil: none
	Config   func() string       // the configuration in force as canonical YAML without credentials; nil: none
	Faults   func() []string     // what is wrong with Gaikei itself, a sentence each, for the page; nil: nothing
	Ready    func() error        // why the process cannot do its work; nil: always ready
	Version  string              // of the program, for the page and gaikei_build_info
	Now      func() time.Time    // nil: time.Now
	Gatherer prometheus.Gatherer // further metrics; nil: none
	Gate     *Gate               // who may ask; nil: everybody may read
	Roster   Roster              // the probers elsewhere; nil: there are none
	// Analyst answers about SLOs, incidents and user-uptime; nil: nobody does.
	Analyst Analyst
	// Corrector keeps corrections; nil: nothing can be corrected.
	Corrector Corrector
}

// NewHandler serves the API, the page and the metrics. It is safe for concurrent use and starts no
// goroutine that outlives a request.
func NewHandler(o Options) http.Handler {
	s := newServer(o)
	return s.serving(s.routes())
}

// NewStatusHandler serves health and metrics alone, for a process that keeps no timelines: Source, Catalog and Faults
// are not used. It is safe for concurrent use.
func NewStatusHandler(o Options) http.Handler {
	s := newServer(o)
	routes := map[string]route{"/": reads(s.nothingElse)}
	for _, o := range s.plainOperations() {
		switch o.pattern {
		case "/healthz", "/readyz", "/metrics":
			routes[o.pattern] = o.route()
		}
	}
	return s.serving(routes)
}

func (s *server) nothingElse(w http.ResponseWriter, r *http.Request) {
	problem{
		Status: http.StatusNotFound, Title: "Not found", Detail: "a prober has no page; ask the aggregator",
		Got: r.URL.Path, Want: "/healthz, /readyz or /metrics",
	}.write(w)
}

// serving puts routes behind the gate.
func (s *server) serving(routes map[string]route) http.Handler {
	mux := http.NewServeMux()
	for path, rt := range routes {
		mux.Handle(path, rt.handler)
	}
	return guard(s.Gate.enter(mux, routes))
}

// A server holds what the handlers share. But for its board it is never changed.
type server struct {
	Options
	board  board
	pages  *pages
	assets map[string]asset
	// document describes what is served.
	document func() (*document, error)
}

func newServer(o Options) *server {
	if o.Faults == nil {
		o.Faults = func() []string { return nil }
	}
	if o.Catalog == nil {
		o.Catalog = func() []Check { return nil }
	}
	if o.Config == nil {
		o.Config = func() string { return "" }
	}
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Gate == nil {
		o.Gate = NewGate(GateOptions{})
	}
	assets := loadAssets()
	return &server{Options: o, assets: assets, pages: loadPages(assets)}
}

// A route is what answers at an address.
type route struct {
	scope   Scope // that it needs; to look, ScopeRead suffices
	handler http.HandlerFunc
}

// operations are all that are served.
func (s *server) operations() []operation {
	return slices.Concat(s.plainOperations(), s.figureOperations(), s.correctionOperations(), s.rosterOperations(), s.documentOperations())
}

func (s *server) routes() map[string]route {
	operations := s.operations()
	s.document = sync.OnceValues(func() (*document, error) { return newDocument(s.Version, operations) })
	routes := map[string]route{"/": reads(s.notFound)}
	for i := range operations {
		routes[operations[i].pattern] = operations[i].route()
	}
	return routes
}

// reads makes a route that can only be read.
func reads(h http.HandlerFunc) route { return route{ScopeRead, readOnly(h)} }

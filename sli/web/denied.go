package web

import (
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A Denial is why an asker was not let in: a closed list, and a label of gaikei_http_auth_failures_total.
type Denial string

// The denials.
const (
	DeniedMissing     Denial = "missing"     // nothing was shown; browsers begin so
	DeniedScheme      Denial = "scheme"      // what was shown is of a kind that is not taken here, or unreadable
	DeniedToken       Denial = "token"       // no such token
	DeniedPassword    Denial = "password"    // no such user, or another password
	DeniedCertificate Denial = "certificate" // TLS refused the client's certificate, or there was none
	DeniedHandshake   Denial = "handshake"   // TLS did not come about otherwise: another protocol, somebody who hung up
	DeniedScope       Denial = "scope"       // valid, and not enough
)

// Denials lists all of them.
func Denials() []Denial {
	return []Denial{DeniedMissing, DeniedScheme, DeniedToken, DeniedPassword, DeniedCertificate, DeniedHandshake, DeniedScope}
}

// says is what a denied asker is told.
func (d Denial) says() string {
	switch d {
	case DeniedMissing:
		return "this server answers only who says who they are"
	case DeniedScheme:
		return "the Authorization header cannot be used: see WWW-Authenticate for what is taken here"
	case DeniedToken:
		return "the token is not valid here"
	case DeniedPassword:
		return "user or password are wrong"
	case DeniedScope:
		return "this needs a token with scope write"
	}
	return "not let in"
}

// GateOptions are what a Gate needs.
type GateOptions struct {
	// Credentials returns what askers must show, for each request anew; nil: nothing.
	Credentials func() *Credentials
	Logger      *slog.Logger     // nil: slog.Default
	Now         func() time.Time // nil: time.Now
}

// A Gate lets in who may ask. It counts whom it denies, for Prometheus, and logs the first of each kind and then at
// most one a minute: an endless stream of them must fill no disk. It is safe for concurrent use.
type Gate struct {
	GateOptions
	passwords *passwords
	desc      *prometheus.Desc

	mu     sync.Mutex // guards denied
	denied map[Denial]denied
}

// denied is what became of one kind of denial.
type denied struct {
	count, unlogged uint64
	quiet           time.Time // until when none is logged
}

// logEvery is how seldom denials of one kind are logged.
const logEvery = time.Minute

// NewGate makes a Gate.
func NewGate(o GateOptions) *Gate {
	if o.Credentials == nil {
		o.Credentials = func() *Credentials { return &Credentials{} }
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Gate{
		GateOptions: o, passwords: newPasswords(), denied: map[Denial]denied{},
		desc: prometheus.NewDesc("gaikei_http_auth_failures_total", "Requests and connections that were not let in, by reason.", []string{"reason"}, nil),
	}
}

// Deny notes that somebody at an address was not let in; asked says at what, for the log.
func (g *Gate) Deny(why Denial, from, asked string) {
	now := g.Now()
	g.mu.Lock()
	d := g.denied[why]
	d.count++
	loud := !now.Before(d.quiet)
	others := d.unlogged
	if loud {
		d.quiet, d.unlogged = now.Add(logEvery), 0
	} else {
		d.unlogged++
	}
	g.denied[why] = d
	g.mu.Unlock()
	if loud {
		g.Logger.Warn("not let in", "reason", string(why), "from", from, "asked", asked, "more_since_last_told", others)
	}
}

// deny notes a denial and answers: with 401, or 403 to who is known and may not do this.
func (g *Gate) deny(w http.ResponseWriter, r *http.Request, challenges []string, why Denial) {
	const most = 100 // of a path, which the asker chooses
	g.Deny(why, r.RemoteAddr, r.Method+" "+r.URL.Path[:min(len(r.URL.Path), most)])
	for _, c := range challenges {
		w.Header().Add("WWW-Authenticate", c)
	}
	p := problem{Status: http.StatusUnauthorized, Title: "Unauthorized", Detail: why.says()}
	if why == DeniedScope {
		p.Status, p.Title = http.StatusForbidden, "Forbidden"
	}
	if strings.HasPrefix(r.URL.Path, "/api/") {
		p.write(w)
		return
	}
	// Not the page: its style is for those who are let in.
	plain(w, p.Status, p.Title+": "+p.Detail)
}

// Describe implements prometheus.Collector.
func (g *Gate) Describe(ch chan<- *prometheus.Desc) { ch <- g.desc }

// Collect implements prometheus.Collector. Every reason is there from the start, at 0.
func (g *Gate) Collect(ch chan<- prometheus.Metric) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, d := range Denials() {
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.CounterValue, float64(g.denied[d].count), string(d))
	}
}

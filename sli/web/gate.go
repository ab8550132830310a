package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// A Scope is what an asker may do, and what a route needs.
type Scope uint8

// The scopes; each includes those before it.
const (
	ScopeNone  Scope = iota // nothing but ask for health
	ScopeRead               // see everything
	ScopeWrite              // change what can be changed
)

// Credentials are what askers must show, at one moment. The zero value asks for nothing. It is never changed.
type Credentials struct {
	Bearer      bool              // whether a token is asked for, if only to find that there is none
	Tokens      []Token           // those that let in
	Users       map[string]string // bcrypt hashes of passwords by name; users may read
	Certificate bool              // whether a client certificate that TLS has verified is demanded; without Users it suffices to read
	Headers     map[string]string // set in every answer, in place of ours
}

// A Token is a bearer token, known by its hash only.
type Token struct {
	Name  string
	Scope Scope
	Hash  [sha256.Size]byte // of the token's text
}

// demanded reports whether anything must be shown.
func (c *Credentials) demanded() bool { return c.Bearer || len(c.Users) > 0 || c.Certificate }

// token finds what was given among the tokens. How long it takes depends on their number only: what is compared are
// hashes, whose first bytes nobody can choose, and all of them are.
func (c *Credentials) token(given string) (Scope, bool) {
	sum := sha256.Sum256([]byte(given))
	scope, found := ScopeNone, 0
	for i := range c.Tokens {
		same := subtle.ConstantTimeCompare(sum[:], c.Tokens[i].Hash[:])
		scope = Scope(subtle.ConstantTimeSelect(same, int(c.Tokens[i].Scope), int(scope)))
		found |= same
	}
	return scope, found == 1
}

// challenges are what a refused asker could show.
func (c *Credentials) challenges(why Denial) []string {
	var cs []string
	if len(c.Users) > 0 && why != DeniedScope {
		cs = append(cs, `Basic realm="Gaikei", charset="UTF-8"`)
	}
	if c.Bearer {
		switch why {
		case DeniedToken:
			cs = append(cs, `Bearer realm="Gaikei", error="invalid_token"`)
		case DeniedScope:
			cs = append(cs, `Bearer realm="Gaikei", error="insufficient_scope", scope="write"`)
		default:
			cs = append(cs, `Bearer realm="Gaikei"`)
		}
	}
	return cs
}

// certified reports whether the connection's certificate suffices. It looks at the connection too: one that was made
// before certificates were demanded has none.
func (c *Credentials) certified(r *http.Request) bool {
	return c.Certificate && len(c.Users) == 0 && r.TLS != nil && len(r.TLS.VerifiedChains) > 0
}

// localKey marks the context of a request that came by the local socket.
type localKey struct{}

// Local wraps a handler for a listener that only who may write can reach, such as a socket with permissions: nothing
// has to be shown there.
func Local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), localKey{}, true)))
	})
}

// identify says what the asker may do, or why nothing.
func (g *Gate) identify(r *http.Request, c *Credentials) (Scope, Denial) {
	if r.Context().Value(localKey{}) != nil {
		return ScopeWrite, ""
	}
	if !c.demanded() {
		// Whoever gets here may look; to change something takes a credential that says so.
		return ScopeRead, ""
	}
	given := r.Header.Values("Authorization")
	switch {
	case len(given) == 0 || (!c.Bearer && len(c.Users) == 0): // what nobody asked for is not looked at
		if c.certified(r) {
			return ScopeRead, ""
		}
		return ScopeNone, DeniedMissing
	case len(given) > 1:
		return ScopeNone, DeniedScheme
	}
	scheme, text, _ := strings.Cut(given[0], " ")
	switch {
	case strings.EqualFold(scheme, "bearer") && c.Bearer:
		if scope, ok := c.token(strings.Trim(text, " ")); ok {
			return scope, ""
		}
		return ScopeNone, DeniedToken
	case strings.EqualFold(scheme, "basic") && len(c.Users) > 0:
		return g.user(r, c)
	}
	return ScopeNone, DeniedScheme
}

// user says what a user with a password may do: read. A browser sends the password along with whatever another site
// makes it ask, so it must not suffice to change anything.
func (g *Gate) user(r *http.Request, c *Credentials) (Scope, Denial) {
	name, password, ok := r.BasicAuth()
	if !ok {
		return ScopeNone, DeniedScheme
	}
	if !g.passwords.match(r.Context(), c.Users, login{name, password}) {
		return ScopeNone, DeniedPassword
	}
	return ScopeRead, ""
}

// needs is the scope that a request to a route needs. To look never needs more than to read.
func (rt route) needs(method string) Scope {
	if method == http.MethodGet || method == http.MethodHead {
		return min(rt.scope, ScopeRead)
	}
	return rt.scope
}

// enter lets requests through to the routes, each to those that its asker may use. What is no route is for readers.
func (g *Gate) enter(mux *http.ServeMux, routes map[string]route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := g.Credentials()
		for name, value := range c.Headers {
			w.Header().Set(name, value)
		}
		need := ScopeRead
		if _, pattern := mux.Handler(r); pattern != "" {
			need = routes[pattern].needs(r.Method)
		}
		if need == ScopeNone {
			mux.ServeHTTP(w, r)
			return
		}
		scope, why := g.identify(r, c)
		if why == "" && scope < need {
			why = DeniedScope
		}
		if why != "" {
			g.deny(w, r, c.challenges(why), why)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

package probe

import (
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Redirects says which redirects an attempt follows. Its short form is a whole number, which is Max.
type Redirects struct {
	Max        int  `yaml:"max" default:"10"`            // how many to follow; 0: the redirect is the answer
	WithinHost bool `yaml:"within_host" default:"false"` // one that leads to another host fails; scheme and port may change
	Cookies    bool `yaml:"cookies" default:"false"`     // those set on the way are sent on, within one attempt
}

const (
	defaultRedirects = 10
	maxRedirects     = 50
	maxCookies       = 64      // that an attempt takes; more are dropped
	maxCookie        = 4 << 10 // bytes of one, name and value; a longer one is dropped
)

// UnmarshalText reads the short form.
func (r *Redirects) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil || strconv.Itoa(n) != string(text) {
		return fmt.Errorf("found %q, wanted a whole number, or a mapping with max, within_host and cookies", clip(string(text), 40))
	}
	*r = Redirects{Max: n}
	return nil
}

// MarshalText writes the short form; it is empty if there is more to say.
func (r Redirects) MarshalText() ([]byte, error) {
	if r.WithinHost || r.Cookies {
		return nil, nil
	}
	return strconv.AppendInt(nil, int64(r.Max), 10), nil
}

func (r *Redirects) validate() []Problem {
	switch {
	case r.Max < 0 || r.Max > maxRedirects:
		return []Problem{{Field: "redirects", Message: fmt.Sprintf("found %d, wanted 0 to %d", r.Max, maxRedirects)}}
	case r.Max == 0 && (r.WithinHost || r.Cookies):
		return []Problem{{Field: "redirects", Message: "max is 0, so that none is followed, and there is more about those that are", Hint: "leave within_host and cookies out, or raise max"}}
	}
	return nil
}

// redirect says whether to follow, and takes out of the next request what is nobody else's business.
func (x *exchange) redirect(next *http.Request, via []*http.Request) error {
	r := x.h.ready
	if r.redirects.Max == 0 {
		return http.ErrUseLastResponse
	}
	if len(via) > r.redirects.Max {
		return fmt.Errorf("stopped after %d redirects, the next one to %s", r.redirects.Max, publicURL(next.URL))
	}
	if err := x.mayLead(next.URL); err != nil {
		return err
	}
	if keepsSecrets(r.url, next.URL) {
		return nil
	}
	for name := range r.secret {
		next.Header.Del(name)
	}
	if next.Body != nil && x.h.Send.HasSecrets() {
		return fmt.Errorf("redirected to %s with a body that holds a secret", publicURL(next.URL))
	}
	return nil
}

// mayLead reports why a redirect must not lead to a URL.
func (x *exchange) mayLead(next *url.URL) error {
	r, to := x.h.ready, publicURL(next)
	switch {
	case next.Scheme != "http" && next.Scheme != "https":
		return fmt.Errorf("redirected to %s, which is neither http nor https", to)
	case r.redirects.WithinHost && !strings.EqualFold(next.Hostname(), r.host):
		return fmt.Errorf("redirected to %s, which is not on %s", to, r.host)
	case next.Scheme == "http" && r.url.Scheme == "https" && x.h.Protocol >= HTTP2:
		return fmt.Errorf("redirected to %s, over which %s is not spoken", to, x.h.Protocol)
	}
	if err := checkHost(next.Hostname()); err != nil {
		return fmt.Errorf("redirected to %s: %w", to, err)
	}
	if _, _, err := splitHostPort(next.Host, 80); err != nil {
		return fmt.Errorf("redirected to %s: %w", to, err)
	}
	return nil
}

// keepsSecrets reports whether what is secret between us and one URL may be shown at another: the same host and port, or the
// step from http to https on their standard ports.
func keepsSecrets(from, to *url.URL) bool {
	if !strings.EqualFold(from.Hostname(), to.Hostname()) {
		return false
	}
	a, b := portOf(from), portOf(to)
	return from.Scheme == to.Scheme && a == b || from.Scheme == "http" && to.Scheme == "https" && (a == b || a == 80 && b == 443)
}

// A jar keeps the cookies of one attempt, as a browser would, up to a limit.
type jar struct {
	*cookiejar.Jar
	taken int
}

func newJar() *jar {
	j, _ := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List}) // its error is always nil
	return &jar{Jar: j}
}

// SetCookies implements http.CookieJar.
func (j *jar) SetCookies(u *url.URL, cookies []*http.Cookie) {
	kept := cookies[:0]
	for _, c := range cookies {
		if len(c.Name)+len(c.Value) <= maxCookie && j.taken < maxCookies {
			kept = append(kept, c)
			j.taken++
		}
	}
	j.Jar.SetCookies(u, kept)
}

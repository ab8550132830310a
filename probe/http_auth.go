package probe

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Auth is how an HTTP check shows who it is: one of its fields. What it shows does not follow a redirect to another host,
// nor from https to http.
type Auth struct {
	Basic  *BasicAuth `yaml:"basic"`
	Bearer Template   `yaml:"bearer"` // a token (RFC 6750)
	OAuth2 *OAuth2    `yaml:"oauth2"` // a token that is fetched
}

// BasicAuth is a user's name and password (RFC 7617).
type BasicAuth struct {
	Username Template `yaml:"username" required:"true"`
	Password Template `yaml:"password"`
}

// OAuth2 is the client credentials grant (RFC 6749, section 4.4). The token is fetched before the attempt that needs it is
// measured, kept until it expires, and shared by the attempts of the check.
type OAuth2 struct {
	TokenURL     string              `yaml:"token_url" required:"true"` // http or https
	ClientID     Template            `yaml:"client_id" required:"true"`
	ClientSecret Template            `yaml:"client_secret"`
	Scopes       []string            `yaml:"scopes"`
	Params       map[string]Template `yaml:"params"`                      // more of the form that is sent: audience, resource
	AuthStyle    OAuth2Style         `yaml:"auth_style" default:"header"` // where the client's id and secret are sent
	CA           string              `yaml:"ca,file"`                     // short for tls.ca
	TLS          TLS                 `yaml:"tls"`                         // with the server of tokens; its days left are not looked at
	Proxy        *Proxy              `yaml:"proxy"`                       // what the request for a token goes through; nil: none
}

// An OAuth2Style is where a client's id and secret are sent.
type OAuth2Style uint8

// The styles. The zero value is OAuth2Header, which every server must support (RFC 6749, section 2.3.1).
const (
	OAuth2Header OAuth2Style = iota // as basic authentication
	OAuth2Params                    // in the form, as client_id and client_secret
)

var oauth2Styles = [...]string{OAuth2Header: "header", OAuth2Params: "params"}

// UnmarshalText reads header or params.
func (s *OAuth2Style) UnmarshalText(text []byte) error {
	i := slices.Index(oauth2Styles[:], string(text))
	if i < 0 {
		return fmt.Errorf("%q is no style; use header or params", clip(string(text), 40))
	}
	*s = OAuth2Style(i)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (s OAuth2Style) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String returns the style as it is configured.
func (s OAuth2Style) String() string {
	if int(s) < len(oauth2Styles) {
		return oauth2Styles[s]
	}
	return "style?"
}

const authorization = "Authorization"

func (h *HTTP) checkAuth(r *httpReady) []Problem {
	a := h.Auth
	var found []string
	for _, way := range []struct {
		name string
		set  bool
	}{{"basic", a.Basic != nil}, {"bearer", !a.Bearer.IsZero()}, {"oauth2", a.OAuth2 != nil}} {
		if way.set {
			found = append(found, way.name)
		}
	}
	var ps []Problem
	switch {
	case len(found) == 0:
		ps = append(ps, Problem{Field: "auth", Message: "found nothing below it, wanted one of basic, bearer and oauth2", Hint: "leave auth out to show nothing"})
	case len(found) > 1:
		ps = append(ps, Problem{Field: "auth", Message: fmt.Sprintf("found %s, wanted one of them", strings.Join(found, " and ")), Hint: "a request has one Authorization header"})
	}
	ps = append(ps, r.clash(authorization, "auth")...)
	if r.url != nil && r.url.User != nil {
		ps = append(ps, Problem{Field: "auth", Message: "the URL has credentials as well, and a request has one Authorization header", Hint: "take them out of the URL"})
	}
	r.conceal(authorization)
	if a.Basic != nil && strings.Contains(plainText(a.Basic.Username), ":") {
		ps = append(ps, Problem{Field: "auth.basic.username", Message: "found a colon, which ends a user's name in basic authentication"})
	}
	if !isHeaderValue(plainText(a.Bearer)) {
		ps = append(ps, Problem{Field: "auth.bearer", Message: "found a control character in the token"})
	}
	if a.OAuth2 != nil {
		ps = append(ps, a.OAuth2.check(r)...)
	}
	return ps
}

// plainText is what of a template is no reference.
func plainText(t Template) string {
	var b strings.Builder
	for _, p := range t.parts {
		b.WriteString(p.text)
	}
	return b.String()
}

func (o *OAuth2) check(r *httpReady) []Problem {
	var ps []Problem
	u, err := url.Parse(o.TokenURL)
	switch {
	case err != nil:
		ps = append(ps, Problem{Field: "auth.oauth2.token_url", Message: "found something that is no URL: " + urlFault(err)})
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "":
		ps = append(ps, Problem{
			Field: "auth.oauth2.token_url", Message: fmt.Sprintf("found %q, wanted an http or https URL without credentials and fragment", publicURL(u)),
			Hint: "write it like https://login.example.com/oauth2/token",
		})
	default:
		if _, _, err := splitHostPort(u.Host, 443); err != nil {
			ps = append(ps, Problem{Field: "auth.oauth2.token_url", Message: err.Error()})
		}
	}
	for name := range o.Params {
		if slices.Contains([]string{"grant_type", "scope", "client_id", "client_secret"}, name) {
			ps = append(ps, Problem{Field: "auth.oauth2.params." + name, Message: "this parameter follows from the grant and cannot be set", Hint: "scopes, client_id and client_secret are keys of their own"})
		}
	}
	slices.SortFunc(ps, func(a, b Problem) int { return strings.Compare(a.Field, b.Field) })
	if len(ps) > 0 {
		return ps
	}
	source := &tokenSource{conf: o, url: u, turn: make(chan struct{}, 1)}
	if ps = o.prepareWay(source); len(ps) > 0 {
		return ps
	}
	r.tokens = source
	return nil
}

// expand looks up what is to be shown and adds it to what is sent. OAuth 2 comes later.
func (a *Auth) expand(w *World, out *outgoing, hide *redactor) error {
	switch {
	case a.Basic != nil:
		value, err := a.Basic.header(w, hide)
		if err != nil {
			return fmt.Errorf("auth.basic: %w", err)
		}
		out.header[authorization] = []string{value}
	case !a.Bearer.IsZero():
		token, err := a.Bearer.expand(w, hide)
		if err != nil {
			return fmt.Errorf("auth.bearer: %w", err)
		}
		if !isHeaderValue(token) {
			return errors.New("auth.bearer: the secret holds a control character, perhaps a line end")
		}
		hide.add(token)
		out.header[authorization] = []string{"Bearer " + token}
	}
	return nil
}

// header is the value of a header that shows the user and the password.
func (b *BasicAuth) header(w *World, hide *redactor) (string, error) {
	user, err := b.Username.expand(w, hide)
	if err != nil {
		return "", fmt.Errorf("username: %w", err)
	}
	password, err := b.Password.expand(w, hide)
	if err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	if strings.Contains(user, ":") {
		return "", errors.New("username: the secret holds a colon, which ends a user's name")
	}
	return basicValue(user, password, hide), nil
}

func basicValue(user, password string, hide *redactor) string {
	hide.add(password)
	hide.add(user + ":" + password)
	return "Basic " + encode64(user+":"+password)
}

// clash reports a header that an option makes, in its canonical form, and that is configured as well.
func (r *httpReady) clash(name, field string) []Problem {
	if !slices.Contains(r.names, name) {
		return nil
	}
	return []Problem{{Field: field, Message: "headers have " + name + " as well", Hint: "leave one of them out"}}
}

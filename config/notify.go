package config

import (
	"crypto/x509"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gaikei/gaikei/probe"
)

// A Notify says who is told of burn rates, of decisions and of faults of Gaikei itself.
type Notify struct {
	// Page is the address by which people reach the page, for links.
	Page          string         `yaml:"page" required:"true" example:"page: https://gaikei.example.com/"`
	Alertmanagers []Alertmanager `yaml:"alertmanagers"`
	Webhooks      []Webhook      `yaml:"webhooks"`
}

// A Receiver is what all have that are told. Nothing of it is resolved here.
type Receiver struct {
	Name    string                      `yaml:"name" required:"true"` // unique among all of them
	URL     probe.Template              `yaml:"url" required:"true"`
	Headers map[string][]probe.Template `yaml:"headers"`
	Timeout time.Duration               `yaml:"timeout" default:"10s"` // of one request
	CA      string                      `yaml:"ca,file"`               // PEM; if set, these roots and no others
}

// An Alertmanager is told alerts by version 2 of its API. Its URL is without the path of that.
type Alertmanager struct {
	Receiver  `yaml:",inline"`
	BasicAuth *BasicAuth `yaml:"basic_auth"`
}

// BasicAuth is a user who is shown with each request.
type BasicAuth struct {
	Username string         `yaml:"username" required:"true"`
	Password probe.Template `yaml:"password" required:"true" example:"password: ${env:GAIKEI_SECRET_ALERTMANAGER}"` // a reference
}

// A Webhook is told events, signed with each secret; two while one takes the other's place.
type Webhook struct {
	Receiver `yaml:",inline"`
	Secret   []probe.Template `yaml:"secret" required:"true" example:"secret: ${env:GAIKEI_SECRET_HOOK}"` // references
}

func (d *decoder) notify(n *Notify) {
	if n == nil {
		return
	}
	if p := "notify.page"; d.has(p) && d.sound(p) {
		d.address(n.Page, p, "it is how people reach the page: https://gaikei.example.com/")
	}
	if len(n.Alertmanagers) == 0 && len(n.Webhooks) == 0 && d.sound("notify") {
		d.tell(d.where("notify"), "found nobody to tell, wanted alertmanagers or webhooks", "to tell nobody leave notify out")
	}
	names := map[string]spot{}
	for i := range n.Alertmanagers {
		a, path := &n.Alertmanagers[i], fmt.Sprintf("notify.alertmanagers[%d]", i)
		d.receiver(&a.Receiver, path, names)
		d.basicAuth(a, path)
	}
	for i := range n.Webhooks {
		w, path := &n.Webhooks[i], fmt.Sprintf("notify.webhooks[%d]", i)
		d.receiver(&w.Receiver, path, names)
		for k := range w.Secret {
			d.reference(w.Secret[k], fmt.Sprintf("%s.secret[%d]", path, k))
		}
		if p := path + ".secret"; len(w.Secret) == 0 && d.has(p) && d.sound(p) {
			d.tell(d.where(p), "found no secret, wanted one to sign with", "")
		}
	}
}

func (d *decoder) basicAuth(a *Alertmanager, path string) {
	if a.BasicAuth == nil {
		return
	}
	d.reference(a.BasicAuth.Password, path+".basic_auth.password")
	for name := range a.Headers {
		if p := path + ".basic_auth"; http.CanonicalHeaderKey(name) == "Authorization" && d.sound(p) {
			d.tell(d.where(p), "found basic_auth and a header Authorization, wanted one of them", "")
		}
	}
}

// longestTimeout keeps a receiver's tries apart from each other.
const longestTimeout = time.Minute

func (d *decoder) receiver(r *Receiver, path string, names map[string]spot) {
	d.nameOf(r.Name, path)
	d.unique(names, r.Name, path+".name")
	if p := path + ".url"; d.has(p) && d.sound(p) && !r.URL.HasSecrets() {
		d.address(r.URL.String(), p, "a part that is secret is given by reference: ${env:GAIKEI_SECRET_…}")
	}
	if p := path + ".timeout"; d.sound(p) && (r.Timeout <= 0 || r.Timeout > longestTimeout) {
		d.tell(d.where(p), "found "+FormatDuration(r.Timeout)+", wanted more than 0s and at most "+FormatDuration(longestTimeout), "")
	}
	if p := path + ".ca"; r.CA != "" && d.sound(p) && !x509.NewCertPool().AppendCertsFromPEM([]byte(r.CA)) {
		d.tell(d.where(p), "found no certificate, wanted at least one", "give certificates in PEM, or {file: path}")
	}
	d.problems(path, headerProblems(r.Headers))
}

// headerProblems tells of headers that are none, or that follow from the request.
func headerProblems(headers map[string][]probe.Template) []probe.Problem {
	check := probe.HTTP{URL: "http://localhost/", Headers: headers}
	ps := slices.DeleteFunc(check.Validate(), func(p probe.Problem) bool { return !strings.HasPrefix(p.Field, "headers") })
	own := []string{"Host", "Content-Type", "User-Agent", "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if slices.Contains(own, http.CanonicalHeaderKey(name)) {
			ps = append(ps, probe.Problem{Field: "headers." + name, Message: "this header follows from the request and cannot be set"})
		}
	}
	return ps
}

// reference tells of a secret that is written out. It does not show it.
func (d *decoder) reference(t probe.Template, path string) {
	if d.has(path) && d.sound(path) && !t.HasSecrets() {
		d.tell(d.where(path), "found a secret that is written out, wanted a reference", "keep it out of the file: ${env:GAIKEI_SECRET_…} or ${file:…}")
	}
}

// address tells of a text that nothing can be sent to. It does not show it, for some of it may be secret.
func (d *decoder) address(text, path, hint string) {
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		d.tell(d.where(path), "found no URL with http or https and a host", hint)
	case u.User != nil:
		d.tell(d.where(path), "found a user in the URL, wanted none", "an Alertmanager takes basic_auth, all take headers")
	case u.Fragment != "":
		d.tell(d.where(path), "found # in the URL, wanted none", hint)
	}
}

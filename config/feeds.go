package config

import (
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/gaikei/gaikei/probe"
)

// Feeds are to whom figures are sent, by protocol.
type Feeds struct {
	OTLP []OTLPFeed `yaml:"otlp"`
}

// An OTLPFeed is a receiver of the OpenTelemetry protocol.
type OTLPFeed struct {
	Name     string       `yaml:"name" required:"true"`
	URL      string       `yaml:"url" required:"true" example:"url: https://otlp.example.com:4318"`
	Protocol OTLPProtocol `yaml:"protocol" default:"http"`
	// Headers to send; with gRPC they are metadata. What they refer to is looked up for each sending.
	Headers map[string]probe.Template `yaml:"headers"`
	Every   time.Duration             `yaml:"every" default:"1m"`
	Timeout time.Duration             `yaml:"timeout" default:"10s"` // of one sending, gathering and retries included
	CA      string                    `yaml:"ca,file"`               // PEM; if set, these authorities and no others
	// Insecure lets the URL be http though others than this machine can listen.
	Insecure bool              `yaml:"insecure" default:"false"`
	Resource map[string]string `yaml:"resource"` // attributes of who sends, over the usual ones
	// Metrics are the families to send, by name; a * at the end stands for any ending.
	Metrics []string `yaml:"metrics" default:"[gaikei_sli_*, gaikei_slo_*, gaikei_latency_*, gaikei_prober_sli_*]"`
}

// OTLPProtocol is how a receiver is spoken to.
type OTLPProtocol uint8

// The protocols. OTLPHTTP is protobuf over HTTP.
const (
	OTLPHTTP OTLPProtocol = iota
	OTLPGRPC
)

func otlpProtocols() []word[OTLPProtocol] {
	return []word[OTLPProtocol]{{"http", OTLPHTTP}, {"grpc", OTLPGRPC}}
}

// UnmarshalText takes http or grpc.
func (p *OTLPProtocol) UnmarshalText(text []byte) (err error) {
	*p, err = unword(text, otlpProtocols())
	return err
}

// String returns the word.
func (p OTLPProtocol) String() string { return reword(p, otlpProtocols()) }

// Wants tells whether a family of metrics is sent, by its name.
func (f *OTLPFeed) Wants(family string) bool {
	return slices.ContainsFunc(f.Metrics, func(pattern string) bool {
		prefix, open := strings.CutSuffix(pattern, "*")
		return family == pattern || open && strings.HasPrefix(family, prefix)
	})
}

// minFeedEvery keeps a slip of the unit from becoming a flood.
const minFeedEvery = time.Second

// feeds validates each receiver by itself and among the others.
func (d *decoder) feeds(f *File) {
	names := map[string]spot{}
	for i := range f.Feeds.OTLP {
		feed, path := &f.Feeds.OTLP[i], fmt.Sprintf("feeds.otlp[%d]", i)
		d.nameOf(feed.Name, path)
		d.unique(names, feed.Name, path+".name")
		d.feedURL(feed, path)
		d.feedTiming(feed, path)
		d.feedHeaders(feed, path+".headers")
		for _, name := range slices.Sorted(maps.Keys(feed.Resource)) {
			if p := join(path+".resource", name); name == "" || feed.Resource[name] == "" {
				d.tell(d.where(p), "found an attribute without a name or a value", "")
			}
		}
		for j, pattern := range feed.Metrics {
			d.metricPattern(pattern, fmt.Sprintf("%s.metrics[%d]", path, j))
		}
		if len(feed.Metrics) == 0 && d.sound(path+".metrics") {
			d.tell(d.where(path+".metrics"), "found no metric, wanted at least one", `"*" sends all that /metrics shows`)
		}
	}
}

// feedURL validates who is sent to. No message quotes more of the URL than its scheme, host and port.
func (d *decoder) feedURL(feed *OTLPFeed, path string) {
	p := path + ".url"
	if !d.has(p) || !d.sound(p) || !d.sound(path+".protocol") {
		return
	}
	tell := func(message, hint string) { d.tell(d.where(p), message, hint) }
	u, err := url.Parse(feed.URL)
	port := ""
	if err == nil {
		port = u.Port()
	}
	n, bad := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		tell("found no URL with http or https and a host", "write it like https://otlp.example.com:4318; grpc is said by protocol: grpc")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		tell("found a URL with a user, a query or a fragment, wanted scheme, host, port and path only", `credentials go into headers: {Api-Key: "${env:GAIKEI_SECRET_…}"}`)
	case port != "" && (bad != nil || n == 0):
		tell("found the port "+found(port)+", wanted a number from 1 to 65535", "")
	case feed.Protocol == OTLPGRPC && port == "":
		tell("found no port, and with gRPC there is none by default", "4317 is usual: "+u.Scheme+"://"+u.Host+":4317")
	case feed.Protocol == OTLPGRPC && strings.Trim(u.Path, "/") != "":
		tell("found a path, and gRPC has none", "leave it out, or use protocol: http")
	case u.Scheme == "http" && !feed.Insecure && !isLoopback(u.Hostname()):
		tell("found http, and beyond loopback figures and headers would go over the network in clear", "write https://, or add insecure: true")
	default:
		d.feedTLS(feed, path, u.Scheme)
	}
}

// feedTLS validates what is said of TLS against the scheme.
func (d *decoder) feedTLS(feed *OTLPFeed, path, scheme string) {
	ca := path + ".ca"
	switch {
	case scheme == "https" && feed.Insecure:
		d.tell(d.where(path+".insecure"), "found true, and the URL is https", "leave it out; a certificate is verified always, against ca if that is given")
	case feed.CA == "" || !d.sound(ca):
	case scheme == "http":
		d.tell(d.where(ca), "the URL is http, which speaks no TLS", "write https://, or leave ca out")
	case !x509.NewCertPool().AppendCertsFromPEM([]byte(feed.CA)):
		d.tell(d.where(ca), "found no certificate in it", "give certificates in PEM, or {file: path}")
	}
}

// isLoopback reports whether only this machine can be meant by a host.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (d *decoder) feedTiming(feed *OTLPFeed, path string) {
	every, timeout := path+".every", path+".timeout"
	if !d.sound(every) || !d.sound(timeout) {
		return
	}
	switch {
	case feed.Every < minFeedEvery:
		d.tell(d.where(every), "found "+FormatDuration(feed.Every)+", wanted at least "+FormatDuration(minFeedEvery), "")
	case feed.Timeout <= 0:
		d.tell(d.where(timeout), "found 0s, wanted a time in which the receiver can answer", "")
	case feed.Timeout > feed.Every:
		d.tell(d.given(timeout, every), fmt.Sprintf("the timeout of %s is longer than the %s from one sending to the next",
			FormatDuration(feed.Timeout), FormatDuration(feed.Every)), "shorten timeout, or lengthen every")
	}
}

// feedHeaders validates headers by name, and their values as far as they are known here.
func (d *decoder) feedHeaders(feed *OTLPFeed, path string) {
	seen := map[string]spot{}
	for _, name := range slices.Sorted(maps.Keys(feed.Headers)) {
		p, value := join(path, name), feed.Headers[name]
		if !d.sound(p) {
			continue
		}
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !httpguts.ValidHeaderFieldName(name) || feed.Protocol == OTLPGRPC && !isMetadata(name):
			d.tell(d.where(p), "found "+found(name)+" for the name of a header, wanted letters, digits, - and _", "")
		case slices.Contains(feedOwnHeaders(), canonical) || strings.HasPrefix(canonical, "Grpc-"):
			d.tell(d.where(p), "found "+found(name)+", which follows from what is sent", "leave it out")
		case !httpguts.ValidHeaderFieldValue(value.String()):
			d.tell(d.where(p), "found characters that no header can have", "")
		default:
			d.unique(seen, canonical, p)
		}
	}
}

// isMetadata reports whether gRPC takes a text as the name of a header with text in it.
func isMetadata(name string) bool {
	name = strings.ToLower(name)
	return strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == "" && !strings.HasSuffix(name, "-bin")
}

// feedOwnHeaders are those that cannot be set.
func feedOwnHeaders() []string {
	return []string{"Connection", "Content-Encoding", "Content-Length", "Content-Type", "Host", "Te", "Trailer", "Transfer-Encoding", "User-Agent"}
}

// metricPattern tells what no metric can be called by.
func (d *decoder) metricPattern(pattern, path string) {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:0123456789"
	if name := strings.TrimSuffix(pattern, "*"); (pattern == "" || strings.Trim(name, letters) != "") && d.sound(path) {
		d.tell(d.where(path), "found "+found(pattern)+", wanted the name of a metric, or the beginning of names and a *", "for example gaikei_slo_*")
	}
}

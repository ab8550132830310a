package probe

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

func TestValidate(t *testing.T) {
	ca := newAuthority(t)
	tests := []struct {
		name string
		kind Kind
		want []string // "field: part of the message"
	}{
		{"http", &HTTP{URL: "https://www.example.com/x?y"}, nil},
		{"http with everything", &HTTP{
			URL: "https://u:p@[2001:db8::1]:8443/", Method: "PATCH", Headers: map[string][]Template{"X": {Literal("y")}},
			Status: []CodeRange{{200, 299}, {404, 404}}, TLS: TLS{CA: ca.pem, MinDaysLeft: 7, ServerName: "a.example"},
			Body: BodyMatch{Contains: []string{"a"}, NotContains: []string{"ab"}, MaxSize: 1 << 10},
		}, nil},
		{"no url", &HTTP{}, []string{"url: found \"\", wanted an absolute"}},
		{"relative url", &HTTP{URL: "/health"}, []string{"url: wanted an absolute"}},
		{"scheme", &HTTP{URL: "ftp://example.com/"}, []string{"url: wanted an absolute"}},
		{"broken url", &HTTP{URL: "http://a:b:c@[::1/"}, []string{"url: no URL"}},
		{"port", &HTTP{URL: "http://example.com:70000/"}, []string{"url: the port \"70000\""}},
		{"port zero", &HTTP{URL: "http://example.com:0/"}, []string{"url: the port \"0\""}},
		{"host", &HTTP{URL: "http://exa mple.com/"}, []string{"url: no URL"}},
		{"half an address", &HTTP{URL: "http://192.0.2/"}, []string{"url: neither a name nor a whole address"}},
		{"hex address", &HTTP{URL: "http://0x7f000001/"}, []string{"url: neither a name"}},
		{"not ASCII", &HTTP{URL: "http://bücher.example/"}, []string{"url: wanted a name"}},
		{"family", &HTTP{URL: "http://192.0.2.1/", IP: OnlyIPv6}, []string{"ip: is an IPv4 address"}},
		{"tls without tls", &HTTP{URL: "http://example.com/", TLS: TLS{MinDaysLeft: 1}}, []string{"tls: the URL is http"}},
		{"everything wrong", &HTTP{
			URL: "http://example.com/", Method: "get", Redirects: &Redirects{Max: -1}, Status: []CodeRange{{0, 700}},
			Headers: map[string][]Template{"a b": {Literal("x")}, "Content-Length": {Literal("5")}, "X": nil, "Y": {Literal("a\nb")}, "y": {Literal("b")}, "host": {Literal("a"), Literal("b")}},
			Body:    BodyMatch{Contains: []string{"", "abc"}, NotContains: []string{"b"}, MaxSize: -1},
			TLS:     TLS{MinDaysLeft: -1, ServerName: "https://x", CA: "x", SkipVerify: true},
		}, []string{
			"tls.min_days_left: found -1", "tls.server_name: wanted a host name", "tls.insecure_skip_verify: together with ca",
			"tls.ca: no certificate", "tls: the URL is http", "method: found \"get\"", "redirects: found -1",
			"headers: \"a b\" is no name", "headers.Content-Length: cannot be set", "headers.X: no value", "headers.Y: control character",
			"there twice", "headers.host: found 2 values", "status: found 0-700",
			"body.max_size: negative", "body.contains: empty", "body.contains: longer than", "body.not_contains: longer than", "body: cannot both hold",
		}},
		{"everything that is sent over everything", &HTTP{
			URL: "https://example.com/", ConnectTo: "192.0.2.1:8443", Redirects: &Redirects{Max: 3, WithinHost: true, Cookies: true},
			Auth: &Auth{OAuth2: &OAuth2{TokenURL: "https://login.example/token", ClientID: Literal("a"), CA: ca.pem}}, Protocol: HTTP3,
			Compression: allCodings,
		}, nil},
		{"redirects of none", &HTTP{URL: "http://example.com/", Redirects: &Redirects{Cookies: true}}, []string{"redirects: max is 0"}},
		{"connect_to", &HTTP{URL: "http://example.com/", ConnectTo: "http://192.0.2.1"}, []string{"connect_to: wanted"}},
		{"connect_to, port", &HTTP{URL: "http://example.com/", ConnectTo: "192.0.2.1:0"}, []string{"connect_to: the port \"0\""}},
		{"connect_to, family", &HTTP{URL: "http://example.com/", ConnectTo: "192.0.2.1", IP: OnlyIPv6}, []string{"ip: is an IPv4 address"}},
		{"no auth", &HTTP{URL: "http://example.com/", Auth: &Auth{}}, []string{"auth: nothing below it"}},
		{"all auth", &HTTP{
			URL: "http://joe:x@example.com/", Headers: map[string][]Template{"authorization": {Literal("x")}},
			Auth: &Auth{Basic: &BasicAuth{Username: Literal("a:b")}, Bearer: Literal("a\nb"), OAuth2: &OAuth2{TokenURL: "ftp://x/", Params: map[string]Template{"scope": Literal("a")}}},
		}, []string{
			"auth: found basic and bearer and oauth2", "auth: headers have Authorization", "auth: the URL has credentials", "auth.basic.username: a colon",
			"auth.bearer: control character", "auth.oauth2.token_url: wanted an http", "auth.oauth2.params.scope: cannot be set",
		}},
		{"token URL with credentials", &HTTP{URL: "http://example.com/", Auth: &Auth{OAuth2: &OAuth2{TokenURL: "https://a:b@example.com/"}}}, []string{"auth.oauth2.token_url: wanted"}},
		{"token URL", &HTTP{URL: "http://example.com/", Auth: &Auth{OAuth2: &OAuth2{TokenURL: "https://192.0.2/"}}}, []string{"auth.oauth2.token_url: neither"}},
		{"authority of tokens", &HTTP{URL: "http://example.com/", Auth: &Auth{OAuth2: &OAuth2{TokenURL: "https://example.com/", CA: "x"}}}, []string{"auth.oauth2.ca: no certificate"}},
		{"proxy", &HTTP{URL: "https://example.com/", Proxy: &Proxy{URL: "https://proxy.example", Username: Literal("a"), Password: Literal("b"), CA: ca.pem}}, nil},
		{"proxy of the environment", &HTTP{URL: "https://example.com/", Proxy: &Proxy{URL: "from_environment", Username: Literal("a")}}, []string{"proxy: has its credentials"}},
		{"proxy, scheme", &HTTP{URL: "http://example.com/", Proxy: &Proxy{URL: "ftp://proxy.example"}}, []string{"proxy.url: wanted an http"}},
		{"proxy, no URL", &HTTP{URL: "http://example.com/", Proxy: &Proxy{URL: "http://a:b:c@[::1"}}, []string{"proxy.url: no URL"}},
		{"proxy, path", &HTTP{URL: "http://example.com/", Proxy: &Proxy{URL: "http://proxy.example/a"}}, []string{"proxy.url: host and port only"}},
		{"proxy, host", &HTTP{URL: "http://example.com/", Proxy: &Proxy{URL: "http://192.0.2:80"}}, []string{"proxy.url: neither"}},
		{"proxy, twice", &HTTP{URL: "http://example.com/", Proxy: &Proxy{URL: "http://a:b@proxy.example", Username: Literal("a")}}, []string{"proxy.url: the URL has credentials"}},
		{"proxy, no user", &HTTP{URL: "http://example.com/", Proxy: &Proxy{URL: "http://proxy.example", Password: Literal("a")}}, []string{"proxy.username: missing"}},
		{"proxy, ca", &HTTP{URL: "http://example.com/", Proxy: &Proxy{URL: "http://proxy.example", CA: ca.pem}}, []string{"proxy.ca: speaks no TLS"}},
		{"proxy, bad ca", &HTTP{URL: "http://example.com/", Proxy: &Proxy{URL: "https://proxy.example", CA: "x"}}, []string{"proxy.ca: no certificate"}},
		{"proxy and connect_to", &HTTP{URL: "http://example.com/", ConnectTo: "192.0.2.1", Proxy: &Proxy{URL: "http://proxy.example"}}, []string{"connect_to: a proxy as well"}},
		{"proxy and HTTP/3", &HTTP{URL: "https://example.com/", Protocol: HTTP3, Proxy: &Proxy{URL: "http://proxy.example"}}, []string{"protocol: through no proxy"}},
		{"proxy and HTTP/2 in clear", &HTTP{URL: "http://example.com/", Protocol: HTTP2, Proxy: &Proxy{URL: "http://proxy.example"}}, []string{"protocol: does not forward"}},
		{"SOCKS and HTTP/2 in clear", &HTTP{URL: "http://example.com/", Protocol: HTTP2, Proxy: &Proxy{URL: "socks5://proxy.example"}}, nil},
		{"HTTP/3 in clear", &HTTP{URL: "http://example.com/", Protocol: HTTP3}, []string{"protocol: always over TLS"}},
		{"compression", &HTTP{URL: "http://example.com/", Compression: []ContentCoding{CodingGzip, CodingGzip}, Headers: map[string][]Template{"accept-encoding": {Literal("br")}}}, []string{"compression: gzip is there twice", "compression: headers have Accept-Encoding"}},

		{"body of HEAD", &HTTP{URL: "http://example.com/", Method: "HEAD", Body: BodyMatch{Contains: []string{"x"}}}, []string{"body: no body"}},
		{"sizes that contradict each other", &HTTP{URL: "http://example.com/", Body: BodyMatch{MinSize: 2 << 20}}, []string{"body.min_size: more than body.max_size (1MiB)"}},
		{"a size below nothing", &HTTP{URL: "http://example.com/", Body: BodyMatch{MinSize: -1}}, []string{"body.min_size: negative"}},
		{"size of a body of HEAD", &HTTP{URL: "http://example.com/", Method: "HEAD", Body: BodyMatch{MinSize: 1}}, []string{"body: no body"}},
		{"a regex and its opposite", &HTTP{URL: "http://example.com/", Body: BodyMatch{
			Regex: []*regexp.Regexp{regexp.MustCompile("a"), regexp.MustCompile("")}, NotRegex: []*regexp.Regexp{regexp.MustCompile("a")},
		}}, []string{"body.regex: empty", "body: cannot both hold"}},
		{"a dear regex", &HTTP{URL: "http://example.com/", Body: BodyMatch{NotRegex: []*regexp.Regexp{regexp.MustCompile("(abcdefghijkl){1000}")}}}, []string{"body.not_regex: instructions"}},
		{"text longer than the body", &HTTP{URL: "http://example.com/", Body: BodyMatch{Contains: []string{"xxx"}, MaxSize: 2}}, []string{"body.contains: longer than body.max_size"}},
		{"key for a certificate", &HTTP{URL: "https://example.com/", TLS: TLS{CA: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"}}, []string{"tls.ca: PRIVATE KEY"}},

		{"tcp", &TCP{Address: "db.example.com:5432"}, nil},
		{"tcp with tls", &TCP{Address: "[::1]:443", TLS: &TLS{MinDaysLeft: 3}}, nil},
		{"no port", &TCP{Address: "db.example.com"}, []string{"address: wanted host:port"}},
		{"no brackets", &TCP{Address: "2001:db8::1:443"}, []string{"address: wanted host:port"}},
		{"service", &TCP{Address: "db.example.com:http"}, []string{"address: the port \"http\""}},
		{"no host", &TCP{Address: ":80"}, []string{"address: no host"}},
		{"tcp all at once", &TCP{Address: "192.0.2.1:1", IP: OnlyIPv6, TLS: &TLS{MinDaysLeft: -2}}, []string{"ip: IPv4", "tls.min_days_left: found -2"}},

		{"dns", &DNS{Server: "ns1.example.com", Name: "example.com"}, nil},
		{"root", &DNS{Server: "192.0.2.1:5353", Name: ".", Type: RRType(dns.TypeNS)}, nil},
		{"dns by IPv6", &DNS{Server: "[2001:db8::1]:53", Name: "example.com", IP: OnlyIPv6}, nil},
		{"dns by bare IPv6", &DNS{Server: "2001:db8::1", Name: "example.com"}, nil},
		{"dns without anything", &DNS{}, []string{"server: no host", "name: found \"\""}},
		{"dns all at once", &DNS{
			Server: "ns1:x", Name: "a..b", Rcode: []ResponseCode{dns.RcodeNameError}, Transport: DNSOverTCP, Flags: []DNSFlag{FlagTruncated},
			Answer: AnswerMatch{Any: Data(""), All: Data("A.example."), None: Data("a.example")},
		}, []string{"server: the port", "name: a..b", "answer.any[0]: empty", "answer: both name", "answer: records are wanted", "flags: tc"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := tt.kind.Validate()
			if len(got) != len(tt.want) {
				t.Fatalf("problems -want +got:\n%s", cmp.Diff(tt.want, problemTexts(got)))
			}
			for _, want := range tt.want {
				if !described(got, want) {
					t.Errorf("no problem like %q in %q", want, problemTexts(got))
				}
			}
		})
	}
}

// described reports whether one of the problems is "field: part of the message", or holds the text.
func described(ps []Problem, want string) bool {
	field, part, hasField := strings.Cut(want, ": ")
	for _, p := range ps {
		if hasField && p.Field == field && strings.Contains(p.Message, part) || !hasField && strings.Contains(p.Message, want) {
			return true
		}
	}
	return false
}

// TestValidateKeepsCredentials: what is wrong with a URL is told without its credentials.
func TestValidateKeepsCredentials(t *testing.T) {
	for _, u := range []string{"ftp://joe:hunter2@example.com/", "http://joe:hunter2@exa mple/", "http://joe:hunter2@:80/", "http://joe:hunter2@h:99999/", "://joe:hunter2@", "http://joe:hunter2 @h/"} {
		ps := (&HTTP{URL: u}).Validate()
		if len(ps) == 0 {
			t.Errorf("%q has no problem, want one", u)
		}
		for _, text := range problemTexts(ps) {
			if strings.Contains(text, "hunter2") {
				t.Errorf("a problem shows the password: %s", text)
			}
		}
	}
}

func TestTargets(t *testing.T) {
	tests := []struct {
		kind Kind
		want Target
	}{
		{&HTTP{URL: "https://joe:x@www.example.com/a?b"}, Target{Host: "www.example.com", Port: 443, Families: []Family{IPv4}, Name: true, Text: "https://www.example.com/a?b"}},
		{&HTTP{URL: "http://[::1]:8080/"}, Target{Host: "::1", Port: 8080, Families: []Family{IPv6}, Text: "http://[::1]:8080/"}},
		{&TCP{Address: "a.example:22", IP: PreferIPv6}, Target{Host: "a.example", Port: 22, Families: []Family{IPv6, IPv4}, Name: true, Text: "tcp://a.example:22"}},
		{&TCP{Address: "[::1]:22"}, Target{Host: "::1", Port: 22, Families: []Family{IPv6}, Text: "tcp://[::1]:22"}},
		{&DNS{Server: "192.0.2.1", Name: "example.com.", Type: RRType(dns.TypeMX)}, Target{Host: "192.0.2.1", Port: 53, Families: []Family{IPv4}, Text: "dns://192.0.2.1/example.com?type=MX"}},
		{&DNS{Server: "ns1.example:5353", Name: "."}, Target{Host: "ns1.example", Port: 5353, Families: []Family{IPv4}, Name: true, Text: "dns://ns1.example:5353/.?type=A"}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, tt.kind.Target()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

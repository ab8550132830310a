package probe

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A forwarder is an HTTP proxy that knows some names, and wants credentials if it is given some.
type forwarder struct {
	hosts map[string]string // host:port to address
	auth  string            // user:password
	seen  chan string       // method and target of each request
}

func (f *forwarder) serve(c net.Conn) {
	defer c.Close()
	br := bufio.NewReader(c)
	req, err := http.ReadRequest(br)
	if err != nil {
		return
	}
	f.seen <- req.Method + " " + req.RequestURI
	refuse := func(status string) { _, _ = io.WriteString(c, "HTTP/1.1 "+status+"\r\nContent-Length: 0\r\n\r\n") }
	if f.auth != "" && req.Header.Get("Proxy-Authorization") != "Basic "+encode64(f.auth) {
		refuse("407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"")
		return
	}
	name := req.Host
	if !strings.Contains(name, ":") {
		name += ":80"
	}
	address, known := f.hosts[name]
	if !known {
		refuse("403 Forbidden")
		return
	}
	out, err := net.Dial("tcp", address)
	if err != nil {
		refuse("502 Bad Gateway")
		return
	}
	defer out.Close()
	if req.Method == http.MethodConnect {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	} else {
		req.Header.Del("Proxy-Authorization")
		_ = req.Write(out)
	}
	splice(c, br, out)
}

// splice passes bytes both ways until either side hangs up.
func splice(c net.Conn, from io.Reader, out net.Conn) {
	done := make(chan struct{})
	go func() { defer close(done); _, _ = io.Copy(out, from); out.Close() }()
	_, _ = io.Copy(c, out)
	c.Close()
	<-done
}

// socksServer is a SOCKS 5 proxy: it connects to the names it knows, and otherwise replies with a code.
func socksServer(hosts map[string]string, auth string, code byte) func(net.Conn) {
	return func(c net.Conn) {
		defer c.Close()
		var b [512]byte
		read := func(n int) []byte { _, _ = io.ReadFull(c, b[:n]); return b[:n] }
		methods := read(int(read(2)[1]))
		want := byte(socksNoAuth)
		if auth != "" {
			want = socksPassword
		}
		if methods[0] != want {
			_, _ = c.Write([]byte{5, socksNone})
			return
		}
		_, _ = c.Write([]byte{5, want})
		if auth != "" {
			user := string(read(int(read(2)[1])))
			password := string(read(int(read(1)[0])))
			ok := user+":"+password == auth
			_, _ = c.Write([]byte{1, map[bool]byte{false: 1}[ok]})
			if !ok {
				return
			}
		}
		var host string
		if read(4)[3] == socksName {
			host = string(read(int(read(1)[0])))
		} else {
			host = net.IP(read(4)).String()
		}
		port := read(2)
		address, known := hosts[fmt.Sprintf("%s:%d", host, int(port[0])<<8|int(port[1]))]
		if !known {
			_, _ = c.Write([]byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0})
			return
		}
		out, err := net.Dial("tcp", address)
		if err != nil {
			_, _ = c.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0})
			return
		}
		defer out.Close()
		_, _ = c.Write([]byte{5, 0, 0, 3, 4, 'h', 'o', 's', 't', 0, 80})
		splice(c, c, out)
	}
}

// A bench is a target in plain and over TLS, and proxies that know it as shop.example, and as gone.example a closed port.
type proxyBench struct {
	ca            *authority
	hosts         map[string]string
	http, guarded string // host:port
	seen          chan string
}

func newProxyBench(t *testing.T) *proxyBench {
	b := &proxyBench{ca: newAuthority(t), seen: make(chan string, 100)}
	handler := func(w http.ResponseWriter, r *http.Request) {
		if to := map[string]string{"/move": "https://shop.example/", "/forbidden": "https://other.example/"}[r.URL.Path]; to != "" {
			http.Redirect(w, r, to, http.StatusFound)
			return
		}
		fmt.Fprintf(w, "%s by %s, proxy credentials: %q", r.Host, r.Proto, r.Header.Get("Proxy-Authorization"))
	}
	b.hosts = map[string]string{
		"shop.example:80":  hostOf(web(t, handler)),
		"shop.example:443": secureWeb(t, handler, b.ca.issue(t, "shop.example", -1, 30)),
		"gone.example:80":  closedPort(t), "gone.example:443": closedPort(t),
	}
	b.http = serve(t, (&forwarder{b.hosts, "", b.seen}).serve)
	b.guarded = serve(t, (&forwarder{b.hosts, "joe:pa:ss", b.seen}).serve)
	return b
}

func (b *proxyBench) secureProxy(t *testing.T) string {
	cert := b.ca.issue(t, "localhost", -1, 30)
	f := &forwarder{b.hosts, "", b.seen}
	return serve(t, func(c net.Conn) { f.serve(tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})) })
}

func TestProxies(t *testing.T) {
	b := newProxyBench(t)
	secure := b.secureProxy(t)
	socks, guardedSocks := serve(t, socksServer(b.hosts, "", 4)), serve(t, socksServer(b.hosts, "joe:pa:ss", 4))
	w := leading(map[string]string{"192.0.2.9:443": secure})
	w.Secret = secretsOf(map[string]string{"GAIKEI_SECRET_P": "pa:ss"})
	with := func(url, password string) *Proxy {
		return &Proxy{URL: url, Username: Literal("joe"), Password: template(t, password)}
	}
	tests := []struct {
		name  string
		url   string
		proxy *Proxy
		want  Reason
		seen  string // by the HTTP proxy
	}{
		{"http, forwarded", "http://shop.example/a", &Proxy{URL: "http://" + b.http}, ReasonNone, "GET http://shop.example/a"},
		{"https, tunnelled", "https://shop.example/", &Proxy{URL: "http://" + b.http}, ReasonNone, "CONNECT shop.example:443"},
		{"a redirect, each its own way", "http://shop.example/move", &Proxy{URL: "http://" + b.http}, ReasonNone, "GET http://shop.example/move,CONNECT shop.example:443"},
		{"https proxy", "https://shop.example/", &Proxy{URL: "https://localhost:" + secure[strings.LastIndexByte(secure, ':')+1:], CA: b.ca.pem}, ReasonNone, "CONNECT shop.example:443"},
		{"https proxy of another name", "https://shop.example/", &Proxy{URL: "https://192.0.2.9", CA: b.ca.pem}, Internal, ""},
		{"https proxy, unknown authority", "https://shop.example/", &Proxy{URL: "https://" + secure}, Internal, ""},
		{"credentials, forwarded", "http://shop.example/", with("http://"+b.guarded, "${env:GAIKEI_SECRET_P}"), ReasonNone, "GET http://shop.example/"},
		{"credentials, tunnelled", "https://shop.example/", with("http://"+b.guarded, "${env:GAIKEI_SECRET_P}"), ReasonNone, "CONNECT shop.example:443"},
		{"wrong credentials, forwarded", "http://shop.example/", with("http://"+b.guarded, "x"), Secret, "GET http://shop.example/"},
		{"wrong credentials, tunnelled", "https://shop.example/", with("http://"+b.guarded, "x"), Secret, "CONNECT shop.example:443"},
		{"no such secret", "https://shop.example/", with("http://"+b.guarded, "${env:GAIKEI_SECRET_GONE}"), Secret, ""},
		{"not allowed, tunnelled", "https://other.example/", &Proxy{URL: "http://" + b.http}, EgressDenied, "CONNECT other.example:443"},
		{"not allowed, after an answer", "http://shop.example/forbidden", &Proxy{URL: "http://" + b.http}, Redirect, "GET http://shop.example/forbidden,CONNECT other.example:443"},
		{"target refuses, forwarded", "http://gone.example/", &Proxy{URL: "http://" + b.http}, HostUnreachable, "GET http://gone.example/"},
		{"target refuses, tunnelled", "https://gone.example/", &Proxy{URL: "http://" + b.http}, HostUnreachable, "CONNECT gone.example:443"},
		{"proxy refuses", "http://shop.example/", &Proxy{URL: "http://" + closedPort(t)}, Internal, ""},
		{"proxy in forbidden space", "http://shop.example/", &Proxy{URL: "http://169.254.169.254"}, EgressDenied, ""},
		{"target in forbidden space", "http://169.254.169.254/", &Proxy{URL: "http://" + b.http}, EgressDenied, ""},
		{"socks5", "http://shop.example/", &Proxy{URL: "socks5://" + socks}, ReasonNone, ""},
		{"socks5 and TLS", "https://shop.example/", &Proxy{URL: "socks5://" + socks}, ReasonNone, ""},
		{"socks5, credentials", "https://shop.example/", with("socks5://"+guardedSocks, "${env:GAIKEI_SECRET_P}"), ReasonNone, ""},
		{"socks5, wrong credentials", "https://shop.example/", with("socks5://"+guardedSocks, "x"), Secret, ""},
		{"socks5, no credentials", "https://shop.example/", &Proxy{URL: "socks5://" + guardedSocks}, Secret, ""},
		{"socks5, target refuses", "http://gone.example/", &Proxy{URL: "socks5://" + socks}, Refused, ""},
		{"socks5, unknown host", "http://192.0.2.55/", &Proxy{URL: "socks5://" + socks}, HostUnreachable, ""},
		{"socks5, not allowed", "http://other.example/", &Proxy{URL: "socks5://" + serve(t, socksServer(nil, "", 2))}, EgressDenied, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := &HTTP{URL: tt.url, Proxy: tt.proxy, TLS: TLS{}}
			if strings.HasPrefix(tt.url, "https") {
				h.TLS.CA = b.ca.pem
			}
			h.Body.Contains = []string{`proxy credentials: ""`}
			a := attempt(t, h, w, patience(tt.want))
			if tt.name == "a redirect, each its own way" && a.Reason == TLSUntrusted {
				a.Reason = ReasonNone // the check of an http URL cannot name an authority
			}
			wantReason(t, &a, tt.want)
			wantSpans(t, &a)
			var seen []string
			for len(b.seen) > 0 {
				seen = append(seen, <-b.seen)
			}
			if got := strings.Join(seen, ","); got != tt.seen {
				t.Errorf("at the proxy -want +got:\n- %s\n+ %s", tt.seen, got)
			}
			if text := fmt.Sprintf("%+v", a); strings.Contains(text, "pa:ss") {
				t.Errorf("the password is in the attempt: %s", text)
			}
			if a.Via == "" && tt.want != Secret {
				t.Error("via is empty, want the proxy")
			}
		})
	}
}

// A hostileProxy is one, and what an attempt through it has to come to.
type hostileProxy struct {
	name  string
	serve func(net.Conn)
	http  Reason // of a tunnel through an HTTP proxy
	socks Reason
}

func (h *hostileProxy) kind(t testing.TB, scheme string) Kind {
	return &HTTP{URL: "https://shop.example/", Proxy: &Proxy{URL: scheme + "://" + serve(t, h.serve)}}
}

// wants are the reasons, by scheme.
func (h *hostileProxy) wants() map[string]Reason {
	return map[string]Reason{"http": h.http, "socks5": h.socks}
}

const patienceWithProxies = 400 * time.Millisecond

// hostileProxies are proxies that misbehave.
func hostileProxies() []hostileProxy {
	return []hostileProxy{
		{"silent", func(net.Conn) {}, Timeout, Internal},
		{"hangs up", func(c net.Conn) { c.Close() }, Reset, Internal},
		{"resets", func(c net.Conn) { _, _ = c.Read(make([]byte, 1024)); resets(c) }, Reset, Internal},
		{"garbage", func(c net.Conn) { _, _ = io.WriteString(c, "\x00\x01\x02\xff\xfe\r\n\r\n") }, Internal, Internal},
		{"never-ending header", floods(ok200, "X-More: and more\r\n"), Internal, Internal},
		{"never-ending header line", floods(ok200+"X: ", "yyyyyyyy"), Internal, Internal},
		{"header one byte at a time", drips("H", "TTP/1.1 200 OK\r\nX: "+strings.Repeat("y", 9999)), Timeout, Internal},
		{"interim answers for ever", floods("", "HTTP/1.1 103 Early Hints\r\n\r\n"), Internal, Internal},
		{"an error with a body that never ends", floods("HTTP/1.1 503 Unavailable\r\n\r\n", "sorry "), HostUnreachable, Internal},
		{"redirects", says("HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\n"), Internal, Internal},
		{"tunnel full before it is used", says(ok200 + "\r\n220 mail.example.com\r\n"), Internal, Internal},
		{"no method", func(c net.Conn) { _, _ = c.Write([]byte{5, 0xff}) }, Timeout, Secret},
		{"another method", func(c net.Conn) { _, _ = c.Write([]byte{5, 1}) }, Timeout, Internal},
		{"greets and stalls", func(c net.Conn) { _, _ = c.Write([]byte{5, 0}) }, Timeout, Timeout},
		{"greets and hangs up", func(c net.Conn) {
			_, _ = c.Read(make([]byte, 3))
			_, _ = c.Write([]byte{5, 0})
			_ = c.(*net.TCPConn).CloseWrite()
		}, Reset, Reset},
		{"a reply of an unknown kind", func(c net.Conn) { _, _ = c.Write([]byte{5, 0, 5, 0, 0, 9, 1, 2, 3, 4, 5, 6}) }, Timeout, Internal},
		{"a code that nobody knows", func(c net.Conn) { _, _ = c.Write([]byte{5, 0, 5, 99, 0, 1, 1, 2, 3, 4, 5, 6}) }, Timeout, Internal},
	}
}

// TestHostileProxies: a proxy that misbehaves is not the target, whatever it does, and is read up to a bound.
func TestHostileProxies(t *testing.T) {
	for _, tt := range hostileProxies() {
		for scheme, want := range tt.wants() {
			t.Run(scheme+" "+tt.name, func(t *testing.T) {
				t.Parallel()
				a := attempt(t, tt.kind(t, scheme), &World{}, patienceWithProxies)
				wantReason(t, &a, want)
				if a.Answered || a.Detail.Error == "" {
					t.Errorf("answered is %v and the error %q; want no answer of the target, and an error", a.Answered, a.Detail.Error)
				}
				// Direct controls say nothing about a proxy.
				if v := Judge(Expectation{}, &a, Blind); v.Outcome != Inconclusive {
					t.Errorf("outcome -want +got:\n- %s\n+ %s", Inconclusive, v.Outcome)
				}
				wantSpans(t, &a)
			})
		}
	}
}

// TestForwardedWords: in the answers of a proxy that forwards, some are its own. A target cannot hide behind one.
func TestForwardedWords(t *testing.T) {
	tests := []struct {
		name, head string
		want       Reason
	}{
		{"407 of a proxy", "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic", Secret},
		{"407 of a target", "407 Proxy Authentication Required", Status},
		{"502", "502 Bad Gateway", HostUnreachable},
		{"504", "504 Gateway Timeout", Timeout},
		{"503 of Squid", "503 Service Unavailable\r\nX-Squid-Error: ERR_CONNECT_FAIL 111", HostUnreachable},
		{"503", "503 Service Unavailable", Status},
		{"403", "403 Forbidden", Status},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			proxy := serve(t, says("HTTP/1.1 "+tt.head+"\r\nContent-Length: 0\r\n\r\n"))
			a := look(t, &HTTP{URL: "http://shop.example/", Proxy: &Proxy{URL: "http://" + proxy}})
			wantReason(t, &a, tt.want)
			if a.Answered != (tt.want == Status) {
				t.Errorf("answered is %v", a.Answered)
			}
		})
	}
}

// TestProxyFromEnvironment: the environment of the prober is asked only where the check says so.
func TestProxyFromEnvironment(t *testing.T) {
	b := newProxyBench(t)
	t.Setenv("HTTP_PROXY", "http://joe:pa%3Ass@"+b.guarded)
	t.Setenv("NO_PROXY", "direct.example")
	a := look(t, &HTTP{URL: "http://shop.example/", Proxy: &Proxy{URL: "from_environment"}})
	wantReason(t, &a, ReasonNone)
	if a.Via != b.guarded || a.Detail.Proxy != b.guarded {
		t.Errorf("via %q, want %q", a.Via, b.guarded)
	}
	w := leading(map[string]string{away: b.hosts["shop.example:80"]})
	a = attempt(t, &HTTP{URL: "http://" + away + "/"}, w, patience(ReasonNone))
	wantReason(t, &a, ReasonNone)
	t.Setenv("NO_PROXY", "192.0.2.0/24")
	a = attempt(t, &HTTP{URL: "http://" + away + "/", Proxy: &Proxy{URL: "from_environment"}}, w, patience(ReasonNone))
	wantReason(t, &a, ReasonNone)
	if a.Via != "" {
		t.Errorf("via %q, want none: NO_PROXY names the target", a.Via)
	}
	t.Setenv("NO_PROXY", "")
	t.Setenv("HTTP_PROXY", "ftp://proxy.example")
	a = attempt(t, &HTTP{URL: "http://" + away + "/", Proxy: &Proxy{URL: "from_environment"}}, w, patience(ReasonNone))
	wantReason(t, &a, Unsupported)
}

// TestProxyVouching: what was seen directly does not vouch for what a proxy says, nor the other way round.
func TestProxyVouching(t *testing.T) {
	h := &HTTP{URL: "https://shop.example/", Proxy: &Proxy{URL: "socks5://proxy.example"}}
	want := Target{Host: "shop.example", Port: 443, Families: []Family{IPv4}, Via: "proxy.example:1080", Text: "https://shop.example/"}
	if diff := cmp.Diff(want, h.Target()); diff != "" {
		t.Errorf("target -want +got:\n%s", diff)
	}
	var m memory
	direct := sighting{at: at(100), host: "a.example", took: time.Millisecond}
	m.glimpse(direct, 5)
	for _, host := range []string{"b.example", "c.example"} {
		m.glimpse(sighting{at: at(100), host: host, via: "proxy.example:1080"}, 5)
	}
	for _, tt := range []struct {
		target sighting
		want   int
	}{
		{sighting{host: "x.example"}, 1},
		{sighting{host: "x.example", via: "proxy.example:1080"}, 2},
		{sighting{host: "c.example", via: "proxy.example:1080"}, 1},
		{sighting{host: "x.example", via: "other.example:1080"}, 0},
		{sighting{via: anyWay}, 3},
	} {
		if got := len(m.between(at(0), at(1000), tt.target)); got != tt.want {
			t.Errorf("sightings for %+v -want +got:\n- %d\n+ %d", tt.target, tt.want, got)
		}
	}
}

// TestProxyOutcomes: what comes of a check through a proxy, with controls through the same one, or none of them.
func TestProxyOutcomes(t *testing.T) {
	target := web(t, func(http.ResponseWriter, *http.Request) {})
	hosts := map[string]string{"a.example:80": hostOf(target), "b.example:80": hostOf(target), "gone.example:80": closedPort(t)}
	proxy := &Proxy{URL: "socks5://" + serve(t, socksServer(hosts, "", 4))}
	dead := &Proxy{URL: "socks5://" + closedPort(t)}
	through := []Kind{&HTTP{URL: "http://a.example/", Proxy: proxy}, &HTTP{URL: "http://b.example/", Proxy: proxy}}
	direct := []Kind{&HTTP{URL: target}}
	for _, k := range append(through, direct...) {
		if ps := k.Validate(); ps != nil {
			t.Fatal(ps)
		}
	}
	tests := []struct {
		name     string
		controls []Kind
		check    HTTP
		want     Outcome
		reason   Reason
	}{
		{"refused, controls through the proxy", through, HTTP{URL: "http://gone.example/", Proxy: proxy}, Down, Refused},
		{"refused, direct controls", direct, HTTP{URL: "http://gone.example/", Proxy: proxy}, Inconclusive, NoVouch},
		{"proxy down, controls through a good one", through, HTTP{URL: "http://a.example/", Proxy: dead}, Inconclusive, Internal},
		{"refused directly, controls through the proxy", through, HTTP{URL: "http://" + closedPort(t)}, Inconclusive, NoVouch},
		{"up", direct, HTTP{URL: "http://a.example/", Proxy: proxy}, Up, ReasonNone},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if ps := tt.check.Validate(); ps != nil {
				t.Fatal(ps)
			}
			l := NewLooker(nil, NewControls(ControlOptions{Targets: tt.controls}), "tokyo")
			r, e := l.Look(t.Context(), &Check{ID: "a", Kind: &tt.check, Timeout: 5 * time.Second}, time.Now().UnixMilli())
			if r.Outcome != tt.want || r.Reason != tt.reason {
				t.Errorf("-want +got:\n- %s %s\n+ %s %s (%s)", tt.want, tt.reason, r.Outcome, r.Reason, e.Detail.Error)
			}
		})
	}
}

package probe

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTLSReasons(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	good := ca.issue(t, "localhost", -1, 30)
	hello := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }
	tests := []struct {
		name string
		cert tls.Certificate
		tls  TLS
		want Reason
	}{
		{"good", good, TLS{CA: ca.pem}, ReasonNone},
		{"days left", good, TLS{CA: ca.pem, MinDaysLeft: 30}, ReasonNone},
		{"too few days left", good, TLS{CA: ca.pem, MinDaysLeft: 31}, TLSExpired},
		{"expired", ca.issue(t, "localhost", -30, -1), TLS{CA: ca.pem}, TLSExpired},
		{"expired, unknown authority", stranger.issue(t, "localhost", -30, -1), TLS{CA: ca.pem}, TLSExpired},
		{"not yet valid", ca.issue(t, "localhost", 1, 30), TLS{CA: ca.pem}, TLSNotYetValid},
		{"another name", ca.issue(t, "other.example", -1, 30), TLS{CA: ca.pem}, TLSNameMismatch},
		{"another name, as configured", ca.issue(t, "other.example", -1, 30), TLS{CA: ca.pem, ServerName: "other.example"}, ReasonNone},
		{"unknown authority", stranger.issue(t, "localhost", -1, 30), TLS{CA: ca.pem}, TLSUntrusted},
		{"unknown authority, system's roots", good, TLS{}, TLSUntrusted},
		{"not verified", stranger.issue(t, "other.example", -1, 30), TLS{SkipVerify: true}, ReasonNone},
		{"not verified, too few days left", stranger.issue(t, "other.example", -1, 30), TLS{SkipVerify: true, MinDaysLeft: 60}, TLSExpired},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, port, _ := net.SplitHostPort(secureWeb(t, hello, tt.cert))
			config := tt.tls
			for kind, k := range map[string]Kind{
				"http": &HTTP{URL: "https://localhost:" + port, TLS: config},
				"tcp":  &TCP{Address: "localhost:" + port, TLS: &config},
			} {
				a := look(t, k)
				if a.Reason != tt.want {
					t.Errorf("%s: reason -want +got:\n- %s\n+ %s\n(%s)", kind, tt.want, a.Reason, a.Detail.Error)
				}
				if !a.Answered {
					t.Errorf("%s: not answered, want answered", kind)
				}
				if a.Detail.TLS == nil || len(a.Detail.TLS.Chain) == 0 {
					t.Errorf("%s: no certificate in the detail, want the chain", kind)
				}
				wantSpans(t, &a)
			}
		})
	}
}

// TestTwoNames: one server, two names, two certificates; each check asks for its own.
func TestTwoNames(t *testing.T) {
	ca := newAuthority(t)
	a, b := ca.issue(t, "localhost", -1, 30), ca.issue(t, "b.example", -1, 30)
	hello := func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.TLS.ServerName) }
	_, port, _ := net.SplitHostPort(secureWeb(t, hello, a, b))
	var got []string
	for _, name := range []string{"", "b.example"} {
		h := &HTTP{URL: "https://localhost:" + port, TLS: TLS{CA: ca.pem, ServerName: name}}
		x := look(t, h)
		wantReason(t, &x, ReasonNone)
		y := look(t, &TCP{Address: "localhost:" + port, TLS: &TLS{CA: ca.pem, ServerName: name}})
		wantReason(t, &y, ReasonNone)
		got = append(got, x.Detail.Body, y.Detail.TLS.Chain[0].Names[0])
	}
	if diff := cmp.Diff([]string{"localhost", "localhost", "b.example", "b.example"}, got); diff != "" {
		t.Errorf("names -want +got:\n%s", diff)
	}
}

// TestRedirectChangesTheName: the name asked for is that of each hop.
func TestRedirectChangesTheName(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue(t, "localhost", -1, 30)
	_, port, _ := net.SplitHostPort(secureWeb(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "end") }, cert))
	base := secureWeb(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://localhost:"+port, http.StatusFound)
	}, cert)
	h := &HTTP{URL: "https://" + strings.Replace(base, "127.0.0.1", "localhost", 1), TLS: TLS{CA: ca.pem}}
	a := look(t, h)
	wantReason(t, &a, ReasonNone)
	// The first hop by address, whose certificate has only the name.
	a = look(t, &HTTP{URL: "https://" + base, TLS: TLS{CA: ca.pem}})
	wantReason(t, &a, TLSNameMismatch)
}

// A hostileSecure is a server that misbehaves behind a good handshake.
type hostileSecure struct {
	name  string
	serve func(*tls.Conn)
	want  Reason
	or    Reason // what it may come to as well, if it is set
}

func (h *hostileSecure) kind(t testing.TB, ca *authority) Kind {
	cert := ca.issue(t, "localhost", -1, 30)
	address := serve(t, func(c net.Conn) {
		s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"}})
		if s.Handshake() == nil {
			h.serve(s)
		}
	})
	return &HTTP{URL: "https://" + address, TLS: TLS{CA: ca.pem, ServerName: "localhost"}}
}

// hostileHTTP2 are servers that negotiate HTTP/2 and then misbehave.
func hostileHTTP2() []hostileSecure {
	// The preface, and some of the request: a server that answers earlier was not asked yet.
	asked := func(c *tls.Conn) { _, _ = io.ReadAtLeast(c, make([]byte, 4096), 24+9+6*4+9+4+9+20) }
	settings := []byte{0, 0, 0, 4, 0, 0, 0, 0, 0}
	goAway := []byte{0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}
	return []hostileSecure{
		{"silent", func(*tls.Conn) {}, ResponseTimeout, ReasonNone},
		{"silent after its settings", func(c *tls.Conn) { _, _ = c.Write(settings) }, ResponseTimeout, ReasonNone},
		{"hangs up unasked", func(c *tls.Conn) { c.Close() }, Reset, ReasonNone},
		{"hangs up", func(c *tls.Conn) { asked(c); c.Close() }, Reset, ReasonNone},
		// Said before the request it is an answer that makes no sense, after it a connection that was torn
		// down: net/http sees the one or the other, as the frames cross on their way.
		{"goes away", func(c *tls.Conn) { _, _ = c.Write(append(settings, goAway...)); asked(c); c.Close() }, Protocol, Reset},
		{"speaks HTTP/1.1", func(c *tls.Conn) { asked(c); _, _ = io.WriteString(c, ok200+"\r\n") }, Protocol, ReasonNone},
		{"frame too large", func(c *tls.Conn) { asked(c); _, _ = c.Write([]byte{0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1}) }, Protocol, ReasonNone},
		{"settings for ever", func(c *tls.Conn) {
			for err := error(nil); err == nil; {
				_, err = c.Write(settings)
			}
		}, TooLarge, ReasonNone},
	}
}

// TestHostileHTTP2 looks at servers that negotiate HTTP/2 and then misbehave.
func TestHostileHTTP2(t *testing.T) {
	ca := newAuthority(t)
	for _, tt := range hostileHTTP2() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := attempt(t, tt.kind(t, ca), &World{}, patience(tt.want))
			if tt.or == ReasonNone || a.Reason != tt.or {
				wantReason(t, &a, tt.want)
			}
			wantSpans(t, &a)
		})
	}
}

// TestHTTP2: the version is the server's choice, and what is judged is the same.
func TestHTTP2(t *testing.T) {
	ca := newAuthority(t)
	address := secureWeb(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			http.Redirect(w, r, "/end", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, "by "+r.Proto)
	}, ca.issue(t, "localhost", -1, 30))
	h := &HTTP{
		URL: "https://" + address + "/", TLS: TLS{CA: ca.pem, ServerName: "localhost", MinDaysLeft: 7},
		Body: BodyMatch{Contains: []string{"by HTTP/2.0"}}, Method: "POST", Send: Literal("x"),
	}
	a := look(t, h)
	wantReason(t, &a, ReasonNone)
	wantSpans(t, &a)
	if got := a.PhaseTime(PhaseTLS); got <= 0 {
		t.Errorf("tls took %v, want more", got)
	}
}

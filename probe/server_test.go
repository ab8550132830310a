package probe

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// program finds a server's binary. A machine without it leaves the test out, but not in CI.
func program(t testing.TB, name, debian string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/usr/local/sbin") {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path
		}
	}
	message := fmt.Sprintf("%s is not installed (Debian package %s)", name, debian)
	if os.Getenv("CI") == "true" {
		t.Fatal(message)
	}
	t.Skip(message)
	return ""
}

// daemon runs a server until the test ends, and waits until k finds it answering.
func daemon(t testing.TB, k Kind, path string, args ...string) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	if ps := k.Validate(); ps != nil {
		t.Fatal(ps)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		a := k.Attempt(ctx, &World{})
		cancel()
		if a.Reason == ReasonNone {
			return
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("%s ended: %v\n%s", path, err, out.String())
		case <-tick.C:
		}
	}
	t.Fatalf("%s does not answer\n%s", path, out.String())
}

// write writes a file into a test's folder.
func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// freePort is the address of a port that was free a moment ago.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// nginx starts one with one KiB of body at /, in plain and over TLS.
func nginx(t testing.TB, ca *authority) (plain, secure string) {
	t.Helper()
	path, dir := program(t, "nginx", "nginx"), t.TempDir()
	cert := ca.issue(t, "localhost", -1, 30)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	certPath := write(t, dir, "cert.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})))
	keyPath := write(t, dir, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	plain, secure = freePort(t), freePort(t)
	conf := nginxConf(dir, plain) + fmt.Sprintf(`
	server {
		listen %s ssl http2; ssl_certificate %s; ssl_certificate_key %s;
		location / { return 200 "over $server_protocol as $ssl_server_name"; }
		location /one { return 301 /; }
	}
}
`, secure, certPath, keyPath)
	daemon(t, &HTTP{URL: "http://" + plain}, path, "-e", "stderr", "-p", dir, "-c", write(t, dir, "nginx.conf", conf))
	return plain, secure
}

// nginxConf is a configuration up to its first server; who uses it closes the bracket.
func nginxConf(dir, plain string) string {
	return fmt.Sprintf(`
daemon off; master_process off; pid %[1]s/pid; error_log stderr crit;
events { worker_connections 1024; }
http {
	access_log off; client_body_temp_path %[1]s; proxy_temp_path %[1]s; fastcgi_temp_path %[1]s; uwsgi_temp_path %[1]s; scgi_temp_path %[1]s;
	server {
		listen %[2]s backlog=4096;
		location / { return 200 "%[3]s"; }
		location /gone { return 410; }
		location /slow { limit_rate 1; return 200 "slow and slower"; }
		location /move { return 302 /gone; }
		location /zip { gzip on; gzip_min_length 1; return 200 "%[3]s"; }
	}
`, dir, plain, strings.Repeat("one KiB of text ", 64))
}

func TestNginx(t *testing.T) {
	ca := newAuthority(t)
	plain, secure := nginx(t, ca)
	tests := []struct {
		name string
		http HTTP
		want Reason
	}{
		{"body", HTTP{URL: "http://" + plain, Body: BodyMatch{Regex: []*regexp.Regexp{regexp.MustCompile("^(one KiB of text ){64}$")}}}, ReasonNone},
		{"gone", HTTP{URL: "http://" + plain + "/gone"}, Status},
		{"moved and gone", HTTP{URL: "http://" + plain + "/move", Status: []CodeRange{{410, 410}}}, ReasonNone},
		{"head", HTTP{URL: "http://" + plain, Method: http.MethodHead}, ReasonNone},
		{"slow", HTTP{URL: "http://" + plain + "/slow"}, TooSlow},
		{"too large", HTTP{URL: "http://" + plain, Body: BodyMatch{MaxSize: 1023}}, TooLarge},
		{"compressed", HTTP{URL: "http://" + plain + "/zip", Compression: allCodings, Body: BodyMatch{MaxSize: 1024, Regex: []*regexp.Regexp{regexp.MustCompile("^(one KiB of text ){64}$")}}}, ReasonNone},
		{"compressed, too large", HTTP{URL: "http://" + plain + "/zip", Compression: allCodings, Body: BodyMatch{MaxSize: 1023}}, TooLarge},
		{"HTTP/1.1 over TLS", HTTP{URL: "https://" + secure + "/", Protocol: HTTP1, TLS: TLS{CA: ca.pem, ServerName: "localhost"}, Body: BodyMatch{Contains: []string{"over HTTP/1.1 as localhost"}}}, ReasonNone},
		{"connect_to", HTTP{URL: "https://localhost/", ConnectTo: secure, TLS: TLS{CA: ca.pem}, Body: BodyMatch{Contains: []string{"over HTTP/2.0 as localhost"}}}, ReasonNone},
		{"HTTP/2", HTTP{URL: "https://" + secure + "/one", TLS: TLS{CA: ca.pem, ServerName: "localhost", MinDaysLeft: 29}, Body: BodyMatch{Contains: []string{"over HTTP/2.0 as localhost"}}}, ReasonNone},
		{"days left", HTTP{URL: "https://" + secure, TLS: TLS{CA: ca.pem, ServerName: "localhost", MinDaysLeft: 31}}, TLSExpired},
		{"plain to a TLS port", HTTP{URL: "http://" + secure}, Status},
		{"TLS to a plain port", HTTP{URL: "https://" + plain}, TLSHandshake},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := attempt(t, &tt.http, &World{}, patience(tt.want))
			wantReason(t, &a, tt.want)
		})
	}
}

const zoneFile = `$TTL 60
@ SOA ns.example. admin.example. 7 60 60 60 60
@ NS ns.example.
ns A 127.0.0.1
www A 192.0.2.10
www A 192.0.2.11
alias CNAME www
six AAAA 2001:db8::1
mail MX 10 mx.example.
text TXT "v=spf1 -all"
`

// nameServers are the real ones: how each is started with the zone at an address.
func nameServers(t *testing.T) map[string]func(*testing.T) string {
	check := func(address string) Kind {
		return &DNS{Server: address, Name: "example", Type: RRType(dns.TypeSOA)}
	}
	return map[string]func(*testing.T) string{
		"knot": func(t *testing.T) string {
			path, dir, address := program(t, "knotd", "knot"), t.TempDir(), freePort(t)
			write(t, dir, "example.zone", zoneFile)
			conf := fmt.Sprintf("server:\n  rundir: %[1]s\n  listen: %[2]s\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\ndatabase:\n  storage: %[1]s\nzone:\n  - domain: example\n    storage: %[1]s\n    file: example.zone\n",
				dir, strings.Replace(address, ":", "@", 1))
			daemon(t, check(address), path, "-c", write(t, dir, "knot.conf", conf))
			return address
		},
		"bind": func(t *testing.T) string {
			path, dir, address := program(t, "named", "bind9"), t.TempDir(), freePort(t)
			host, port, _ := net.SplitHostPort(address)
			zone := write(t, dir, "example.zone", zoneFile)
			conf := fmt.Sprintf("options { directory %q; listen-on port %s { %s; }; listen-on-v6 { none; }; pid-file none; session-keyfile none; recursion no; dnssec-validation no; };\ncontrols {};\nzone example { type primary; file %q; };\n",
				dir, port, host, zone)
			daemon(t, check(address), path, "-g", "-n", "1", "-c", write(t, dir, "named.conf", conf))
			return address
		},
	}
}

func TestNameServers(t *testing.T) {
	tests := []struct {
		name string
		dns  DNS
		want Reason
	}{
		{"addresses", DNS{Name: "www.example", Answer: AnswerMatch{All: Data("192.0.2.11", "192.0.2.10")}, Flags: []DNSFlag{FlagAuthoritative}}, ReasonNone},
		{"alias", DNS{Name: "alias.example", Answer: AnswerMatch{Any: Data("www.example"), All: Data("192.0.2.10")}}, ReasonNone},
		{"case", DNS{Name: "WWW.Example."}, ReasonNone},
		{"IPv6", DNS{Name: "six.example", Type: RRType(dns.TypeAAAA), Answer: AnswerMatch{Any: Data("2001:0db8::1")}}, ReasonNone},
		{"mail", DNS{Name: "mail.example", Type: RRType(dns.TypeMX), Answer: AnswerMatch{Any: Data("10 MX.example.")}}, ReasonNone},
		{"text", DNS{Name: "text.example", Type: RRType(dns.TypeTXT), Answer: AnswerMatch{Any: Data("v=spf1 -all")}}, ReasonNone},
		{"no such name", DNS{Name: "gone.example"}, Rcode},
		{"no such name, wanted", DNS{Name: "gone.example", Rcode: []ResponseCode{dns.RcodeNameError}}, ReasonNone},
		{"refused", DNS{Name: "www.other", Rcode: []ResponseCode{dns.RcodeRefused}}, ReasonNone},
		{"no recursion", DNS{Name: "www.example", Flags: []DNSFlag{FlagRecursionAvailable}}, Flags},
		{"wrong record", DNS{Name: "www.example", Answer: AnswerMatch{None: Data("192.0.2.10")}}, Answer},
	}
	for server, start := range nameServers(t) {
		t.Run(server, func(t *testing.T) {
			address := start(t)
			for _, tt := range tests {
				for _, transport := range []DNSTransport{DNSOverUDP, DNSOverTCP} {
					d := tt.dns
					d.Server, d.Transport = address, transport
					a := look(t, &d)
					if a.Reason != tt.want {
						t.Errorf("%s over %s: reason -want +got:\n- %s\n+ %s (%s)\n%s", tt.name, transport, tt.want, a.Reason, a.Detail.Error, a.Detail.Message)
					}
				}
			}
		})
	}
}

package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// An authority signs certificates for tests.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string // its certificate, PEM
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir()}
	a.key = newKey(t)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.file = writeFile(t, a.dir, "ca.crt", pemText("CERTIFICATE", der))
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func pemText(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// issue writes a certificate for a name, which is good for 127.0.0.1 too, and its key.
func (a *authority) issue(serial int64, name string) (cert, key string) {
	a.t.Helper()
	k := newKey(a.t)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, k.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return writeFile(a.t, a.dir, name+".crt", pemText("CERTIFICATE", der)), writeFile(a.t, a.dir, name+".key", pemText("PRIVATE KEY", keyDER))
}

// client trusts the authority and shows a certificate of its own, if there is one. Each request has its own connection.
func (a *authority) client(certAndKey ...string) *http.Client {
	a.t.Helper()
	c := &tls.Config{RootCAs: x509.NewCertPool()}
	c.RootCAs.AddCert(a.cert)
	if len(certAndKey) == 2 {
		pair, err := tls.LoadX509KeyPair(certAndKey[0], certAndKey[1])
		if err != nil {
			a.t.Fatal(err)
		}
		// Also to a server that names other authorities: to whom a client of Go's would show none.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	tr := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: true, DisableKeepAlives: true}
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

// tokenEntry is a token's line in the file of tokens.
func tokenEntry(name, scope string) string {
	return fmt.Sprintf("- {name: %s, scope: %s, sha256: %x}\n", name, scope, sha256.Sum256([]byte(name)))
}

// aPassword is the line of a user whose password is the name.
func aPassword(t *testing.T, name string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(name), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("basic_auth_users: {%s: %s}\n", name, h)
}

// inside is a gaikei that runs in the test's own process.
type inside struct {
	t      *testing.T
	listen string
	data   string
	log    *syncBuffer
}

// runInside runs `gaikei run` with these flags on a configuration of one check, until the test ends.
func runInside(t *testing.T, args ...string) *inside {
	t.Helper()
	dir := t.TempDir()
	config := writeFile(t, dir, "gaikei.yaml", "regions: {here: {}}\ncontrols: none\nchecks: [{name: shop, tcp: {address: \"127.0.0.1:1\"}}]\n")
	p := &inside{t: t, listen: "127.0.0.1:" + freePort(t), data: dir + "/data", log: &syncBuffer{}}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() {
		done <- run(ctx, append([]string{"run", "-c", config, "--data", p.data, "--listen", p.listen}, args...), streams{in: strings.NewReader(""), out: p.log, err: p.log})
	}()
	t.Cleanup(func() {
		stop()
		if code := <-done; code != exitFine {
			t.Errorf("exit code %d", code)
		}
		if t.Failed() {
			t.Logf("the program printed:\n%s", p.log)
		}
	})
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(p.log.String(), "msg=running") {
		select {
		case <-tick.C:
		case code := <-done:
			done <- code
			t.Fatalf("it ended with exit code %d\n%s", code, p.log)
		}
	}
	return p
}

// ask sends a request and returns the status, or the error's words.
func (p *inside) ask(c *http.Client, method, url string, header http.Header) string {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, url, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header = header
	resp, err := c.Do(req)
	if err != nil {
		return err.Error()
	}
	resp.Body.Close()
	return fmt.Sprintf("%d %s", resp.StatusCode, resp.Proto)
}

// authorized is the header of a bearer token, or of a user:password; none of an empty text.
func authorized(shown string) http.Header {
	r := &http.Request{Header: http.Header{}}
	if user, password, ok := strings.Cut(shown, ":"); ok {
		r.SetBasicAuth(user, password)
	} else if shown != "" {
		r.Header.Set("Authorization", "Bearer "+shown)
	}
	return r.Header
}

// failures reads the metric through the local socket, where nothing has to be shown.
func (p *inside) failures() map[string]string {
	p.t.Helper()
	_, text := (&program{t: p.t, data: p.data}).get("/metrics")
	found := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^gaikei_http_auth_failures_total\{reason="([a-z]+)"\} (\d+)$`).FindAllStringSubmatch(text, -1) {
		found[m[1]] = m[2]
	}
	return found
}

// TestWhoMayAsk runs the program with every combination of TLS, users and tokens and asks it as everybody would.
func TestWhoMayAsk(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "servers")
	cert, key := ca.issue(2, "server")
	dir := t.TempDir()
	block := fmt.Sprintf("tls_server_config: {cert_file: %q, key_file: %q}\n", cert, key)
	users := aPassword(t, "alice")
	tls := writeFile(t, dir, "tls.yaml", block)
	tlsUsers := writeFile(t, dir, "tls-users.yaml", block+users)
	plainUsers := writeFile(t, dir, "users.yaml", users)
	http1 := writeFile(t, dir, "http1.yaml", block+"http_server_config: {http2: false, headers: {Strict-Transport-Security: max-age=60}}\n")
	tokens := writeFile(t, dir, "tokens.yaml", "tokens:\n"+tokenEntry("reader", "read")+tokenEntry("writer", "write"))

	for _, side := range []struct {
		name, scheme string
		flags        []string
		rows         string // shown method path status
	}{
		{"plain and open", "http", nil, `
			-             GET  /             200 HTTP/1.1
			-             POST /api/v1/sli   405 HTTP/1.1
			reader        GET  /metrics      200 HTTP/1.1`},
		{"plain with tokens", "http", []string{"--tokens", tokens}, `
			-             GET  /             401 HTTP/1.1
			-             GET  /healthz      200 HTTP/1.1
			reader        GET  /             200 HTTP/1.1
			alice:alice   GET  /             401 HTTP/1.1`},
		{"plain with users", "http", []string{"--web-config", plainUsers}, `
			-             GET  /metrics      401 HTTP/1.1
			-             GET  /readyz       200 HTTP/1.1
			alice:alice   GET  /metrics      200 HTTP/1.1
			alice:guess   GET  /metrics      401 HTTP/1.1
			reader        GET  /metrics      401 HTTP/1.1`},
		{"TLS and open", "https", []string{"--web-config", tls}, `
			-             GET  /             200 HTTP/2.0
			-             POST /api/v1/sli   405 HTTP/2.0`},
		{"TLS without HTTP/2", "https", []string{"--web-config", http1}, `
			-             GET  /             200 HTTP/1.1`},
		{"TLS, users and tokens", "https", []string{"--web-config", tlsUsers, "--tokens", tokens}, `
			-             GET  /api/v1/sli   401 HTTP/2.0
			-             GET  /nowhere      401 HTTP/2.0
			-             GET  /healthz      200 HTTP/2.0
			-             GET  /readyz       200 HTTP/2.0
			-             POST /api/v1/sli   401 HTTP/2.0
			alice:alice   GET  /api/v1/sli   200 HTTP/2.0
			alice:alice   GET  /checks/shop  200 HTTP/2.0
			alice:alice   POST /api/v1/sli   405 HTTP/2.0
			alice:guess   GET  /api/v1/sli   401 HTTP/2.0
			bob:alice     GET  /api/v1/sli   401 HTTP/2.0
			reader        GET  /api/v1/sli   200 HTTP/2.0
			reader        GET  /nowhere      404 HTTP/2.0
			reader        POST /api/v1/sli   405 HTTP/2.0
			writer        GET  /metrics      200 HTTP/2.0
			writer        POST /api/v1/sli   405 HTTP/2.0
			stranger      GET  /metrics      401 HTTP/2.0`},
	} {
		t.Run(side.name, func(t *testing.T) {
			p := runInside(t, side.flags...)
			client := ca.client()
			for row := range strings.SplitSeq(strings.TrimSpace(side.rows), "\n") {
				w := strings.Fields(row)
				got := p.ask(client, w[1], side.scheme+"://"+p.listen+w[2], authorized(strings.TrimPrefix(w[0], "-")))
				if want := w[3] + " " + w[4]; got != want {
					t.Errorf("%s: got %s", strings.TrimSpace(row), got)
				}
			}
			if status, _ := (&program{t: t, data: p.data}).get("/api/v1/checks"); status != http.StatusOK {
				t.Errorf("by the local socket: status %d, want 200", status)
			}
			if !strings.Contains(p.log.String(), "page="+side.scheme+"://") {
				t.Errorf("the log does not name the page with %s", side.scheme)
			}
		})
	}
}

// TestClientCertificates: with mutual TLS a certificate of the right authority, with the right name, may read; whoever
// else does not get as far as to ask. Refused handshakes are counted.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	servers, clients, others := newAuthority(t, "servers"), newAuthority(t, "clients"), newAuthority(t, "others")
	cert, key := servers.issue(2, "server")
	dir := t.TempDir()
	block := fmt.Sprintf("tls_server_config:\n  cert_file: %q\n  key_file: %q\n  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: %q\n", cert, key, clients.file)
	tokens := writeFile(t, dir, "tokens.yaml", "tokens:\n"+tokenEntry("writer", "write"))
	with := func(a *authority, name string) *http.Client {
		c, k := a.issue(7, name)
		return servers.client(c, k)
	}
	grafana, curious, stranger := with(clients, "grafana"), with(clients, "curious"), with(others, "grafana")

	const refused = "no answer"
	certificateAlone := runInside(t, "--web-config", writeFile(t, dir, "mtls.yaml", block), "--tokens", tokens)
	named := runInside(t, "--web-config", writeFile(t, dir, "named.yaml", block+"  client_allowed_sans: [grafana]\n"))
	both := runInside(t, "--web-config", writeFile(t, dir, "both.yaml", block+aPassword(t, "alice")))
	for _, row := range []struct {
		name   string
		p      *inside
		c      *http.Client
		shown  string
		method string
		want   string
	}{
		{"certificate", certificateAlone, grafana, "", "GET", "200 HTTP/2.0"},
		{"certificate, writing", certificateAlone, grafana, "", "POST", "405 HTTP/2.0"},
		{"certificate and token", certificateAlone, grafana, "writer", "GET", "200 HTTP/2.0"},
		{"certificate and a wrong token", certificateAlone, grafana, "guess", "GET", "401 HTTP/2.0"},
		{"none", certificateAlone, servers.client(), "", "GET", refused},
		{"none, with a token", certificateAlone, servers.client(), "writer", "GET", refused},
		{"wrong authority", certificateAlone, stranger, "", "GET", refused},
		{"the name", named, grafana, "", "GET", "200 HTTP/2.0"},
		{"another name", named, curious, "", "GET", refused},
		{"wrong authority, right name", named, stranger, "", "GET", refused},
		{"certificate, and users are configured", both, grafana, "", "GET", "401 HTTP/2.0"},
		{"certificate and password", both, grafana, "alice:alice", "GET", "200 HTTP/2.0"},
		{"password, no certificate", both, servers.client(), "alice:alice", "GET", refused},
	} {
		got := row.p.ask(row.c, row.method, "https://"+row.p.listen+"/api/v1/sli", authorized(row.shown))
		// Why it was refused may or may not arrive before the end of the connection; the metric says it below.
		if got != row.want && (row.want != refused || strings.Contains(got, "HTTP/2.0")) {
			t.Errorf("%s: got %s, want %s", row.name, got, row.want)
		}
	}
	if got := servers.client(); certificateAlone.ask(got, "GET", "https://"+certificateAlone.listen+"/healthz", nil) == "200 HTTP/2.0" {
		t.Error("mutual TLS lets somebody without a certificate ask for health")
	}
	for p, want := range map[*inside]string{certificateAlone: "4", named: "2", both: "1"} {
		until(t, "counts the refused certificates", func() bool { return p.failures()["certificate"] == want })
	}
}

// TestClientsAreTakenBack: whose authority or name is no longer taken does not get in by resuming an earlier session.
func TestClientsAreTakenBack(t *testing.T) {
	t.Parallel()
	servers, clients, others := newAuthority(t, "servers"), newAuthority(t, "clients"), newAuthority(t, "others")
	cert, key := servers.issue(2, "server")
	dir := t.TempDir()
	write := func(ca *authority, names string) string {
		return writeFile(t, dir, "web.yaml", fmt.Sprintf("tls_server_config: {cert_file: %q, key_file: %q, client_auth_type: RequireAndVerifyClientCert, client_ca_file: %q, client_allowed_sans: [%s]}\n",
			cert, key, ca.file, names))
	}
	p := runInside(t, "--web-config", write(clients, "grafana"))
	clientCert, clientKey := clients.issue(3, "grafana")
	c := servers.client(clientCert, clientKey)
	c.Transport.(*http.Transport).TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	resumed := func() (string, bool) {
		t.Helper()
		resp, err := c.Get("https://" + p.listen + "/api/v1/checks")
		if err != nil {
			return "refused", false
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			t.Fatal(err)
		}
		return resp.Status, resp.TLS.DidResume
	}
	for _, row := range []struct {
		name    string
		ca      *authority
		names   string
		want    string
		resumed bool
	}{
		{"at first", clients, "grafana", "200 OK", false},
		{"again", clients, "grafana", "200 OK", true},
		{"another name only", clients, "curious", "refused", false},
		{"its name again", clients, "curious, grafana", "200 OK", true},
		{"another authority only", others, "grafana", "refused", false},
	} {
		write(row.ca, row.names)
		if got, again := resumed(); got != row.want || again != row.resumed {
			t.Errorf("%s: got %s, resumed %v; want %s, %v", row.name, got, again, row.want, row.resumed)
		}
	}
}

// TestOpenConnections: a connection from before certificates were required has none and is told so.
func TestOpenConnections(t *testing.T) {
	t.Parallel()
	servers, clients := newAuthority(t, "servers"), newAuthority(t, "clients")
	cert, key := servers.issue(2, "server")
	dir := t.TempDir()
	block := fmt.Sprintf("tls_server_config:\n  cert_file: %q\n  key_file: %q\n", cert, key)
	p := runInside(t, "--web-config", writeFile(t, dir, "web.yaml", block))
	c := servers.client(clients.issue(3, "grafana"))
	c.Transport.(*http.Transport).DisableKeepAlives = false
	url := "https://" + p.listen + "/api/v1/checks"
	if got := p.ask(c, "GET", url, nil); got != "200 HTTP/2.0" {
		t.Errorf("at first: got %s, want 200", got)
	}
	writeFile(t, dir, "web.yaml", block+fmt.Sprintf("  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: %q\n", clients.file))
	if got := p.ask(c, "GET", url, nil); got != "401 HTTP/2.0" {
		t.Errorf("by the connection that is open: got %s, want 401", got)
	}
	c.CloseIdleConnections()
	if got := p.ask(c, "GET", url, nil); got != "200 HTTP/2.0" {
		t.Errorf("by a new connection: got %s, want 200", got)
	}
}

// until polls a condition.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	(&program{t: t, log: &syncBuffer{}}).until(what, cond)
}

// TestCertificateIsRenewed: a new certificate is shown from the next connection on; one that does not fit its key is
// told, and the old one stays.
func TestCertificateIsRenewed(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t, "servers")
	cert, key := ca.issue(100, "server")
	dir := filepath.Dir(cert)
	// Names relative to the folder of the file.
	web := writeFile(t, dir, "web.yaml", "tls_server_config: {cert_file: server.crt, key_file: server.key}\n")
	p := runInside(t, "--web-config", web)
	serial := func() int64 {
		t.Helper()
		conn, err := tls.Dial("tcp", p.listen, ca.client().Transport.(*http.Transport).TLSClientConfig)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	want := func(n int64, when string) {
		t.Helper()
		if got := serial(); got != n {
			t.Errorf("%s: the certificate is number %d, want %d", when, got, n)
		}
	}
	want(100, "at first")
	ca.issue(101, "server")
	want(101, "after a renewal in place")

	oldKey, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	ca.issue(102, "server")
	newKey, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir, "server.key", string(oldKey))
	want(101, "with a certificate whose key is not there yet")
	want(101, "asked again")
	if n := strings.Count(p.log.String(), "private key does not match public key"); n != 1 {
		t.Errorf("that the key does not fit is told %d times, want once", n)
	}
	if log := p.log.String(); !strings.Contains(log, "web configuration not read again, the old state stays in force") || !strings.Contains(log, key) {
		t.Error("the log does not say what stays in force and why")
	}
	writeFile(t, dir, "server.key", string(newKey))
	want(102, "with its key")

	// As certificate managers do it: the new file takes the old one's place.
	broken := writeFile(t, dir, "broken.yaml", "tls_server_confg: {}\n")
	if err := os.Rename(broken, web); err != nil {
		t.Fatal(err)
	}
	want(102, "with a bad web configuration")
	ca.issue(103, "server")
	want(103, "with a bad web configuration, after a renewal")
	if !strings.Contains(p.log.String(), "did you mean tls_server_config?") {
		t.Error("the fault of the web configuration is not told")
	}
}

// TestTokensAreRotated: a token works as soon as it is in the file and no longer than that; a bad file is told and the
// old one stays; so does a web configuration that would open what is closed.
func TestTokensAreRotated(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(text string) string { return writeFile(t, dir, "tokens.yaml", text) }
	p := runInside(t, "--tokens", write("tokens:\n"+tokenEntry("first", "read")))
	ask := func(when, token, want string) {
		t.Helper()
		if got := p.ask(http.DefaultClient, "GET", "http://"+p.listen+"/api/v1/sli", authorized(token)); got != want+" HTTP/1.1" {
			t.Errorf("%s: got %s with %s, want %s", when, got, token, want)
		}
	}
	ask("at first", "first", "200")
	ask("at first", "second", "401")
	write("tokens:\n" + tokenEntry("first", "read") + tokenEntry("second", "read"))
	ask("with both", "first", "200")
	ask("with both", "second", "200")
	write("tokens:\n" + tokenEntry("second", "read")) // as long as the file was at first
	ask("with the first taken back", "first", "401")
	ask("with the first taken back", "second", "200")
	write("tokens:\n" + tokenEntry("first", "read") + "- {name: third}\n")
	ask("with a bad file", "first", "401")
	ask("with a bad file", "second", "200")
	ask("with a bad file", "third", "401")
	if n := strings.Count(p.log.String(), "tokens not read again, the old state stays in force"); n != 1 {
		t.Errorf("the bad file is told %d times, want once", n)
	}
	if err := os.Remove(filepath.Join(dir, "tokens.yaml")); err != nil {
		t.Fatal(err)
	}
	ask("without a file", "second", "200")
	write("tokens: []\n")
	ask("with no token left", "second", "401")
	if p.failures()["token"] != "5" {
		t.Errorf("failures: %v, want 5 of tokens", p.failures())
	}
	// One line for all of them within the minute.
	if n := strings.Count(p.log.String(), "reason=token"); n != 1 {
		t.Errorf("refused tokens are logged %d times, want once a minute", n)
	}
}

// TestHangupReadsAccessAgain: a SIGHUP has the files read and told about, without anybody asking.
func TestHangupReadsAccessAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := writeFile(t, dir, "gaikei.yaml", "regions: {here: {}}\ncontrols: none\nchecks: [{name: shop, tcp: {address: \"127.0.0.1:1\"}}]\n")
	tokens := writeFile(t, dir, "tokens.yaml", "tokens:\n"+tokenEntry("first", "read"))
	web := writeFile(t, dir, "web.yaml", aPassword(t, "alice"))
	p := launchWith(t, config, dir+"/data", "--tokens", tokens, "--web-config", web)
	p.until("runs", func() bool { return strings.Contains(p.log.String(), "msg=running") })
	writeFile(t, dir, "tokens.yaml", "tokens: [{}]\n")
	p.cmd.Process.Signal(syscall.SIGHUP)
	p.until("tells of the bad file", func() bool {
		log := p.log.String()
		return strings.Contains(log, "tokens[0].scope: scope is missing") && strings.Contains(log, "web configuration read again") && strings.Contains(log, "configuration reloaded")
	})
	p.stop()
}

// TestAccessIsNotOpenedByReload: what a restart would refuse, a changed file does not bring about either.
func TestAccessIsNotOpenedByReload(t *testing.T) {
	ca := newAuthority(t, "servers")
	cert, key := ca.issue(2, "server")
	dir := t.TempDir()
	block := fmt.Sprintf("tls_server_config: {cert_file: %q, key_file: %q}\n", cert, key)
	users := aPassword(t, "alice")
	var log syncBuffer
	o := runOptions{listen: "0.0.0.0:8443", webConfig: writeFile(t, dir, "web.yaml", block+users)}
	d, err := openDoor(o, newLog(&log))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, text, want string }{
		{"no users", block, "there is TLS and no authentication"},
		{"no TLS", users, "can only change with a restart"},
		{"no HTTP/2", block + users + "http_server_config: {http2: false}\n", "can only change with a restart"},
		{"empty", "\n", "the file is empty"},
	} {
		writeFile(t, dir, "web.yaml", row.text)
		if c := d.credentials(); len(c.Users) != 1 || !d.secure() {
			t.Errorf("%s: users %v, TLS %v; want what was in force before", row.name, c.Users, d.secure())
		}
		if !strings.Contains(log.String(), row.want) {
			t.Errorf("%s: the log does not say %s:\n%s", row.name, row.want, log.String())
		}
	}
	writeFile(t, dir, "web.yaml", block+users+"http_server_config: {headers: {X-Frame-Options: sameorigin}}\n")
	if c := d.credentials(); c.Headers["X-Frame-Options"] != "sameorigin" {
		t.Errorf("a good file is not taken up: %+v\n%s", c, log.String())
	}
}

// TestMayListen: beyond loopback it takes TLS and something that tells askers apart.
func TestMayListen(t *testing.T) {
	ca := newAuthority(t, "servers")
	cert, key := ca.issue(2, "server")
	dir := t.TempDir()
	block := fmt.Sprintf("tls_server_config:\n  cert_file: %q\n  key_file: %q\n", cert, key)
	mutual := "  client_auth_type: RequireAndVerifyClientCert\n  client_ca: " + fmt.Sprintf("%q", pemText("CERTIFICATE", ca.cert.Raw)) + "\n"
	optional := strings.Replace(mutual, "RequireAndVerifyClientCert", "VerifyClientCertIfGiven", 1)
	users := aPassword(t, "alice")
	tokens := writeFile(t, dir, "tokens.yaml", "tokens: []\n")
	const fine = ""
	for _, row := range []struct {
		name, listen, web, tokens string
		insecure                  bool
		want                      string
	}{
		{"loopback", "127.0.0.1:1", "", "", false, fine},
		{"loopback, IPv6", "[::1]:1", "", "", false, fine},
		{"loopback by name", "localhost:1", "", "", false, fine},
		{"loopback with a password", "127.0.0.1:1", users, "", false, fine},
		{"every address", "0.0.0.0:1", "", "", false, "neither TLS nor authentication"},
		{"every address, IPv6", "[::]:1", "", "", false, "neither TLS nor authentication"},
		{"no address", ":1", "", "", false, "neither TLS nor authentication"},
		{"a name", "gaikei.example.com:1", "", "", false, "neither TLS nor authentication"},
		{"another address", "192.0.2.1:1", block, "", false, "there is TLS and no authentication"},
		{"certificates that need not be shown", "192.0.2.1:1", block + optional, "", false, "there is TLS and no authentication"},
		{"users in clear", "192.0.2.1:1", users, "", false, "there is authentication and no TLS"},
		{"tokens in clear", "192.0.2.1:1", "", tokens, false, "there is authentication and no TLS"},
		{"TLS and users", "192.0.2.1:1", block + users, "", false, fine},
		{"TLS and tokens", "192.0.2.1:1", block, tokens, false, fine},
		{"mutual TLS", "192.0.2.1:1", block + mutual, "", false, fine},
		{"nothing, wanted so", "0.0.0.0:1", "", "", true, fine},
		{"tokens in clear, wanted so", "0.0.0.0:1", "", tokens, true, fine},
		{"no port", "127.0.0.1", "", "", true, "missing port"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := runOptions{listen: row.listen, tokens: row.tokens, insecure: row.insecure}
			if row.web != "" {
				o.webConfig = writeFile(t, dir, "web.yaml", row.web)
			}
			_, err := openDoor(o, newLog(&syncBuffer{}))
			switch {
			case row.want == fine && err != nil:
				t.Errorf("got %v, want that it listens", err)
			case row.want != fine && (err == nil || !strings.Contains(err.Error(), row.want)):
				t.Errorf("got %v, want %s", err, row.want)
			}
		})
	}
}

package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// BenchmarkProbeCost compares, in one run and at the same pace, what a probe costs in all (schedule, judge, queue, journal) with a bare
// loop that does what a program does that has nothing but to ask: in processor time of this process, for the targets are others. It
// says how that is to the promise: 1.2 times for HTTP, 1.15 for HTTPS, 1.3 for TCP and DNS.
func BenchmarkProbeCost(b *testing.B) {
	const pace, seconds = 1000, 20
	plain := nginx(b)
	secure, roots := secureNginx(b)
	port := strings.TrimSuffix(strings.TrimPrefix(plain, "http://"), "/body")
	server := knot(b)
	for _, x := range []struct {
		name, kind string
		promised   float64
		bare       func() error
	}{
		{"http", httpOf(plain), 1.2, bareHTTP(plain, nil)},
		{"https", fmt.Sprintf("http: {url: %q, tls: {ca: %q}}", secure, roots), 1.15, bareHTTP(secure, roots)},
		{"tcp", fmt.Sprintf("tcp: {address: %q}", port), 1.3, bareTCP(port)},
		{"dns", fmt.Sprintf("dns: {server: %q, name: www.example, answer: {any: 192.0.2.10}}", server), 1.3, bareDNS(server)},
	} {
		b.Run(x.name, func(b *testing.B) {
			for b.Loop() {
				bare := bareLoop(b, x.bare, pace, seconds)
				ours := engine(b, x.kind, pace, seconds)
				b.ReportMetric(float64(bare.Microseconds()), "bare-us/probe")
				b.ReportMetric(float64(ours.Microseconds()), "gaikei-us/probe")
				b.ReportMetric(float64(ours)/float64(bare), "ratio")
				b.ReportMetric(float64(ours)/float64(bare)/x.promised, "of-promise")
			}
		})
	}
}

// httpOf is the kind of a check of a URL.
func httpOf(url string) string { return fmt.Sprintf("http: {url: %q}", url) }

// bareLoop asks pace times a second and returns the CPU time of one question.
func bareLoop(b *testing.B, once func() error, pace, seconds int) time.Duration {
	tick := time.NewTicker(time.Second / time.Duration(pace))
	defer tick.Stop()
	var wg sync.WaitGroup
	before := cpu(b)
	n := pace * seconds
	for range n {
		<-tick.C
		wg.Go(func() {
			if err := once(); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	return (cpu(b) - before) / time.Duration(n)
}

// bareHTTP asks for a page without keep-alive, with these roots if there are any.
func bareHTTP(url string, roots []byte) func() error {
	tr := &http.Transport{DisableKeepAlives: true}
	if roots != nil {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(roots)
		tr.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	client := &http.Client{Transport: tr, Timeout: 5 * time.Second}
	return func() error {
		resp, err := client.Get(url)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
}

func bareTCP(address string) func() error {
	return func() error {
		conn, err := net.DialTimeout("tcp", address, 5*time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

func bareDNS(server string) func() error {
	client := &dns.Client{Timeout: 5 * time.Second}
	return func() error {
		m := new(dns.Msg).SetQuestion("www.example.", dns.TypeA)
		r, _, err := client.Exchange(m, server)
		if err == nil && len(r.Answer) != 1 {
			err = fmt.Errorf("got %d records, want 1", len(r.Answer))
		}
		return err
	}
}

// nginx serves a body of 1 KiB on a port of loopback until the benchmark ends; it returns its URL.
func nginx(b *testing.B) string {
	b.Helper()
	return "http://" + webServer(b, b.TempDir(), "") + "/body"
}

// secureNginx serves it over TLS, and returns the root to verify it by, too.
func secureNginx(b *testing.B) (url string, roots []byte) {
	b.Helper()
	dir := b.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		b.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		b.Fatal(err)
	}
	roots = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	putFile(b, dir, "cert.pem", roots)
	putFile(b, dir, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
	return "https://" + webServer(b, dir, fmt.Sprintf("ssl; ssl_certificate %[1]s/cert.pem; ssl_certificate_key %[1]s/key.pem", dir)) + "/body", roots
}

func putFile(b *testing.B, dir, name string, data []byte) {
	b.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
		b.Fatal(err)
	}
}

// webServer runs nginx in a folder, with more after the port that it listens on, and returns its address.
func webServer(b *testing.B, dir, more string) string {
	b.Helper()
	address := "127.0.0.1:" + freePort(b)
	putFile(b, dir, "nginx.conf", fmt.Appendf(nil, `
daemon off; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 4096; }
http {
  access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server { listen %[2]s backlog=4096 %[3]s; root %[1]s; }
}`, dir, address, more))
	putFile(b, dir, "body", bytes.Repeat([]byte("x"), 1024))
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			b.Fatal(err)
		}
	}
	startServer(b, "nginx", "nginx-light", "-c", filepath.Join(dir, "nginx.conf"), "-p", dir)
	awaitPort(b, address)
	return address
}

// knot serves a zone, and returns the address.
func knot(b *testing.B) string {
	b.Helper()
	dir, address := b.TempDir(), "127.0.0.1:"+freePort(b)
	putFile(b, dir, "zone", []byte("$ORIGIN example.\n@ 60 SOA ns hostmaster 1 3600 600 86400 60\n@ 60 NS ns\nns 60 A 127.0.0.1\nwww 60 A 192.0.2.10\n"))
	putFile(b, dir, "knot.conf", fmt.Appendf(nil, `
server:
  listen: %[2]s
  rundir: %[1]s
database:
  storage: %[1]s
zone:
  - domain: example
    file: %[1]s/zone
`, dir, strings.Replace(address, ":", "@", 1)))
	startServer(b, "knotd", "knot", "-c", filepath.Join(dir, "knot.conf"))
	awaitPort(b, address)
	return address
}

// startServer runs a program of a Debian package until the benchmark ends.
func startServer(b *testing.B, name, debian string, args ...string) {
	b.Helper()
	bin, err := exec.LookPath(name)
	if err != nil {
		bin = "/usr/sbin/" + name
	}
	if _, err := os.Stat(bin); err != nil {
		b.Skipf("%s is not installed (Debian package %s)", name, debian)
	}
	cmd := exec.Command(bin, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	})
}

// awaitPort waits until somebody listens.
func awaitPort(b *testing.B, address string) {
	b.Helper()
	for range 100 {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		pause(b.Context(), 50*time.Millisecond)
	}
	b.Fatalf("nobody came up on %s", address)
}

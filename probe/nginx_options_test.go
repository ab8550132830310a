package probe

import (
	"fmt"
	"testing"
)

// TestNginxOptions looks at a real server with what an answer can be asked for, and with certificates on both sides.
func TestNginxOptions(t *testing.T) {
	ca := newAuthority(t)
	path, dir, plain, secure := program(t, "nginx", "nginx"), t.TempDir(), freePort(t), freePort(t)
	cert, key := pemOf(t, ca.issue(t, "localhost", -1, 30))
	client, clientKey := pemOf(t, ca.issue(t, "client", -1, 30))
	stranger, strangerKey := pemOf(t, newAuthority(t).issue(t, "client", -1, 30))
	conf := nginxConf(dir, plain) + fmt.Sprintf(`
	server {
		listen %s ssl http2; ssl_protocols TLSv1.2; ssl_certificate %s; ssl_certificate_key %s;
		ssl_client_certificate %s; ssl_verify_client on;
		location / { add_header X-Client $ssl_client_s_dn; return 200 "trace $http_traceparent"; }
		location /maintenance { add_header Retry-After 3600 always; return 503; }
	}
}
`, secure, write(t, dir, "cert.pem", cert), write(t, dir, "key.pem", key), write(t, dir, "ca.pem", ca.pem))
	daemon(t, &HTTP{URL: "http://" + plain}, path, "-e", "stderr", "-p", dir, "-c", write(t, dir, "nginx.conf", conf))

	world := &World{Verbose: true, Secret: secrets(map[string]string{"client.key": clientKey, "stranger.key": strangerKey})}
	known := TLS{CA: ca.pem, ServerName: "localhost", Cert: Literal(client), Key: template(t, "${file:client.key}")}
	with := func(change func(*TLS)) TLS { c := known; change(&c); return c }
	tests := []struct {
		name string
		http HTTP
		want Reason
	}{
		{"a client with a certificate", HTTP{TLS: known, Header: map[string]HeaderMatch{"X-Client": {Contains: []string{"CN=client"}}}}, ReasonNone},
		{"a client without", HTTP{TLS: TLS{CA: ca.pem, ServerName: "localhost"}}, Status},
		{"a client whom nobody knows", HTTP{TLS: with(func(c *TLS) { c.Cert, c.Key = Literal(stranger), template(t, "${file:stranger.key}") })}, Status},
		{"a version too new", HTTP{TLS: with(func(c *TLS) { c.MinVersion = 0x0304 })}, TLSHandshake},
		{"pinned to the authority", HTTP{TLS: with(func(c *TLS) { c.Pins = []string{pinOf(ca.cert).String()} })}, ReasonNone},
		{"pinned to itself", HTTP{TLS: with(func(c *TLS) { c.Pins = []string{pin{}.String()} })}, TLSUntrusted},
		{"a header that is missing", HTTP{TLS: known, Header: map[string]HeaderMatch{"X-Gone": {}}}, Header},
		{"a trace", HTTP{TLS: known, Traceparent: true, Body: BodyMatch{Regex: res("^trace 00-[0-9a-f]{32}-[0-9a-f]{16}-01$"), MinSize: 61}}, ReasonNone},
		{"no trace", HTTP{TLS: known, Body: BodyMatch{NotRegex: res("[0-9]")}}, ReasonNone},
		{"too small", HTTP{TLS: known, Body: BodyMatch{MinSize: 7}}, TooSmall},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.http.URL = "https://" + secure + "/"
			a := attempt(t, &tt.http, world, patience(tt.want))
			wantReason(t, &a, tt.want)
			wantNoSecret(t, &a, clientKey, strangerKey)
		})
	}
	m := HTTP{URL: "https://" + secure + "/maintenance", TLS: known, Announced: &Announced{Header: map[string]HeaderMatch{"Retry-After": {}}}}
	if a := attempt(t, &m, world, patience(Status)); a.Reason != Status || !a.Announced {
		t.Errorf("maintenance: got %v, announced: %v, want status, announced", a.Reason, a.Announced)
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestAskingWithCredentials asks protected servers by the command line: with what they want, and without.
func TestAskingWithCredentials(t *testing.T) {
	servers, clients := newAuthority(t, "servers"), newAuthority(t, "clients")
	cert, key := servers.issue(2, "server")
	clientCert, clientKey := clients.issue(3, "grafana")
	strangeCert, strangeKey := newAuthority(t, "others").issue(3, "grafana")
	dir := t.TempDir()
	block := fmt.Sprintf("tls_server_config:\n  cert_file: %q\n  key_file: %q\n", cert, key)
	tokens := writeFile(t, dir, "tokens.yaml", "tokens:\n"+tokenEntry("reader", "read"))
	protected := runInside(t, "--web-config", writeFile(t, dir, "web.yaml", block+aPassword(t, "alice")), "--tokens", tokens)
	mutual := runInside(t, "--web-config", writeFile(t, dir, "mtls.yaml", block+fmt.Sprintf("  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: %q\n", clients.file)))
	plain := runInside(t)
	token, guess := writeFile(t, dir, "token", "reader\n"), writeFile(t, dir, "guess", "hunter2\n")
	at := func(p *inside) string { return "https://" + p.listen }
	as := func(p *inside, user string) string { return "https://" + user + "@" + p.listen }

	for _, row := range []struct {
		name, env string
		args      []string
		code      int
		errs      string // in the error and the hint; none if it is fine
	}{
		{"token in a file", "", []string{"--server", at(protected), "--ca", servers.file, "--token-file", token}, exitFine, ""},
		{"token in the environment", "reader", []string{"--server", at(protected), "--ca", servers.file}, exitFine, ""},
		{"the file counts more", "hunter2", []string{"--server", at(protected), "--ca", servers.file, "--token-file", token}, exitFine, ""},
		{"user", "", []string{"--server", as(protected, "alice:alice"), "--ca", servers.file}, exitFine, ""},
		{"client certificate", "", []string{"--server", at(mutual), "--ca", servers.file, "--cert", clientCert, "--key", clientKey}, exitFine, ""},
		{"socket", "", []string{"--data", protected.data}, exitFine, ""},
		{"socket, with a token about", "hunter2", []string{"--data", mutual.data}, exitFine, ""},
		{"open server, with a token about", "hunter2", []string{"--server", "http://" + plain.listen}, exitFine, ""},
		{"nothing", "", []string{"--server", at(protected), "--ca", servers.file}, exitUnreachable, "401 this server answers only who says who they are\ngaikei: hint: show a token, in $GAIKEI_TOKEN or with --token-file"},
		{"wrong token", "", []string{"--server", at(protected), "--ca", servers.file, "--token-file", guess}, exitUnreachable, "401 the token is not valid here\ngaikei: hint: is what was shown meant for this server"},
		{"wrong password", "", []string{"--server", as(protected, "alice:hunter2"), "--ca", servers.file}, exitUnreachable, "401 user or password are wrong\ngaikei: hint: is what was shown"},
		{"unknown authority", "", []string{"--server", as(protected, "alice:hunter2")}, exitUnreachable, "certificate signed by unknown authority\ngaikei: hint: --ca names the authority"},
		{"another authority", "", []string{"--server", as(protected, "alice:hunter2"), "--ca", clients.file}, exitUnreachable, "gaikei: hint: --ca names the authority"},
		{"another name", "", []string{"--server", strings.Replace(as(protected, "alice:hunter2"), "127.0.0.1", "localhost", 1), "--ca", servers.file}, exitUnreachable, "gaikei: hint: ask it by a name that is in its certificate"},
		{"no client certificate", "", []string{"--server", at(mutual), "--ca", servers.file}, exitUnreachable, "client certificate"},
		{"strange client certificate", "", []string{"--server", at(mutual), "--ca", servers.file, "--cert", strangeCert, "--key", strangeKey}, exitUnreachable, "client certificate"},
		{"http for https", "", []string{"--server", "http://" + protected.listen}, exitUnreachable, "it wants TLS\ngaikei: hint: begin its URL with https://"},
		{"https for http", "", []string{"--server", at(plain)}, exitUnreachable, "gaikei: hint: it has no TLS: begin its URL with http://"},
		{"key of another", "", []string{"--server", at(mutual), "--cert", clientCert, "--key", strangeKey}, exitUsage, "private key does not match public key"},
		{"no such key", "", []string{"--server", at(mutual), "--cert", clientCert, "--key", dir + "/absent"}, exitUnreachable, "--key: open"},
		{"unreadable web configuration", "", nil, exitUnreachable, "no such file"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Setenv("GAIKEI_TOKEN", row.env)
			for _, command := range [][]string{{"sli"}, {"probers", "list"}} {
				args := append(append([]string{}, command...), row.args...)
				if row.args == nil {
					args = []string{"run", "-c", "../../deploy/examples/minimal.yaml", "--web-config", dir + "/absent"}
				}
				code, out, errs := gaikei(t, args...)
				if code != row.code || !strings.Contains(errs, row.errs) || (row.errs == "") != (errs == "") {
					t.Errorf("gaikei %s: exit code %d, %q; want %d, %q", strings.Join(args, " "), code, errs, row.code, row.errs)
				}
				if strings.Contains(out+errs, "hunter2") {
					t.Errorf("gaikei %s: a secret is shown: %s", strings.Join(args, " "), errs)
				}
			}
		})
	}
}

// TestRedirectsKeepCredentials: what is shown to one server is not shown to another one that it names.
func TestRedirectsKeepCredentials(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the other server was asked, with %q", r.Header.Get("Authorization"))
	}))
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace(other.URL, "http://", "http://hunter2@", 1)+r.URL.Path, http.StatusFound)
	}))
	defer server.Close()
	t.Setenv("GAIKEI_TOKEN", "secret")
	code, _, errs := gaikei(t, "sli", "--server", server.URL)
	want := fmt.Sprintf("gaikei: error: ask %s/: it says to ask %s/ instead\ngaikei: hint: if that is right, name it with --server\n", server.URL, other.URL)
	if code != exitUnreachable || errs != want {
		t.Errorf("exit code %d, %q; want %d, %q", code, errs, exitUnreachable, want)
	}
}

// TestSecretsInClearAreTold: beyond loopback a token without TLS is sent as it is asked, and not without a word.
func TestSecretsInClearAreTold(t *testing.T) {
	for address, told := range map[string]bool{"http://gaikei.invalid:8080": true, "http://127.0.0.1:8080": false, "https://gaikei.invalid:8080": false} {
		var errs strings.Builder
		o := whereOptions{whom: whom{server: address, shown: shown{tokenFile: writeFile(t, t.TempDir(), "token", "reader")}}}
		r, err := o.openServer(streams{err: &errs})
		if err != nil {
			t.Fatal(err)
		}
		r.Close()
		if got := strings.Contains(errs.String(), "asked without TLS"); got != told {
			t.Errorf("%s: told %v, want %v: %s", address, got, told, errs.String())
		}
	}
}

// TestMadeTokenLetsIn takes what 'gaikei token new' prints as it is printed.
func TestMadeTokenLetsIn(t *testing.T) {
	t.Parallel()
	code, token, entry := gaikei(t, "token", "new", "--name", "grafana", "--scope", "read")
	_, another, _ := gaikei(t, "token", "new", "--name", "grafana", "--scope", "read")
	if code != exitFine || token == another {
		t.Fatalf("exit code %d, tokens %q and %q; want two", code, token, another)
	}
	p := runInside(t, "--tokens", writeFile(t, t.TempDir(), "tokens.yaml", "tokens:\n"+entry))
	for shown, want := range map[string]string{token: "200 HTTP/1.1", another: "401 HTTP/1.1"} {
		if got := p.ask(http.DefaultClient, "GET", "http://"+p.listen+"/", authorized(strings.TrimSpace(shown))); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestPrometheusScrapes has a Prometheus scrape a protected server, once with each thing that lets in.
func TestPrometheusScrapes(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("prometheus"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip("no prometheus")
	}
	servers, clients := newAuthority(t, "servers"), newAuthority(t, "clients")
	cert, key := servers.issue(2, "server")
	clientCert, clientKey := clients.issue(3, "prometheus")
	dir := t.TempDir()
	block := fmt.Sprintf("tls_server_config:\n  cert_file: %q\n  key_file: %q\n", cert, key)
	protected := runInside(t, "--web-config", writeFile(t, dir, "web.yaml", block+aPassword(t, "alice")), "--tokens", writeFile(t, dir, "tokens.yaml", "tokens:\n"+tokenEntry("reader", "read")))
	mutual := runInside(t, "--web-config", writeFile(t, dir, "mtls.yaml", block+fmt.Sprintf("  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: %q\n", clients.file)))
	job := func(name string, p *inside, tls, auth string) string {
		return fmt.Sprintf("- {job_name: %s, scheme: https, static_configs: [{targets: [%q]}], tls_config: {ca_file: %q%s}%s}\n", name, p.listen, servers.file, tls, auth)
	}
	config := writeFile(t, dir, "prometheus.yaml", "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n"+
		job("token", protected, "", fmt.Sprintf(", authorization: {credentials_file: %q}", writeFile(t, dir, "token", "reader\n")))+
		job("user", protected, "", ", basic_auth: {username: alice, password: alice}")+
		job("nobody", protected, "", "")+
		job("certificate", mutual, fmt.Sprintf(", cert_file: %q, key_file: %q", clientCert, clientKey), ""))
	listen := "127.0.0.1:" + freePort(t)
	cmd := exec.CommandContext(t.Context(), "prometheus", "--config.file", config, "--storage.tsdb.path", dir+"/tsdb", "--web.listen-address", listen)
	var log syncBuffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	want := map[string]string{"token": "1", "user": "1", "nobody": "0", "certificate": "1"}
	until(t, "has scraped everything", func() bool {
		up := scrapedUp(t, listen)
		if len(up) < len(want) {
			return false
		}
		for name, value := range want {
			if up[name] != value {
				t.Logf("up is %v, want %v", up, want)
				return false
			}
		}
		return true
	})
}

// scrapedUp asks a Prometheus whether its targets are up, by job; nothing while it starts.
func scrapedUp(t *testing.T, listen string) map[string]string {
	t.Helper()
	resp, err := http.Get("http://" + listen + "/api/v1/query?query=up")
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Value  [2]any
			}
		}
	}
	if resp.StatusCode != http.StatusOK || json.Unmarshal(body, &answer) != nil {
		return nil
	}
	up := map[string]string{}
	for _, r := range answer.Data.Result {
		up[r.Metric["job"]] = fmt.Sprint(r.Value[1])
	}
	return up
}

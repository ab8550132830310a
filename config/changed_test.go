package config

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/gaikei/gaikei/probe"
)

// mustParse reads a configuration that is right.
func mustParse(t testing.TB, text string) *File {
	t.Helper()
	f, err := Parse("testdata/x.yaml", []byte(text), Options{Now: now()})
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return f
}

const changeable = `regions: {a: {}, b: {}}
controls: {preset: root-dns}
defaults: {interval: 30s}
checks:
  - name: x
    http: {url: "http://192.0.2.1/", headers: {A: "1", B: "2"}, send: "text"}
`

func TestChanged(t *testing.T) {
	old := mustParse(t, changeable).Check("x")
	for _, row := range []struct {
		name, old, next string
		want            bool
	}{
		{"nothing", "", "", false},
		{"a comment", "  - name: x", "  # text\n  - name: x", false},
		{"a default written out", "name: x\n", "name: x\n    timeout: 10s\n    enabled: true\n", false},
		{"the id written out", "name: x\n", "name: x\n    id: x\n", false},
		{"another unit", "interval: 30s", "interval: 30000ms", false},
		{"the order of headers", `{A: "1", B: "2"}`, `{B: "2", A: ["1"]}`, false},
		{"another region", "b: {}", "b: {}, c: {}", false},
		{"a default that it uses", "interval: 30s", "interval: 31s", true},
		{"a header", `A: "1"`, `A: "3"`, true},
		{"the address", "192.0.2.1", "192.0.2.2", true},
		{"credentials", "192.0.2.1", "user:password@192.0.2.1", true},
		{"enabled", "name: x\n", "name: x\n    enabled: false\n", true},
		{"the expectation", "name: x\n", "name: x\n    expect: {unreachable: [a]}\n", true},
		{"the file that is sent", `send: "text"`, `send: {file: body.txt}`, true},
	} {
		next := mustParse(t, strings.Replace(changeable, row.old, row.next, 1)).Check("x")
		if got := Changed(old, next); got != row.want {
			t.Errorf("%s: Changed = %v, want %v\n%s\n%s", row.name, got, row.want, Block(old), Block(next))
		}
	}
	if !Changed(nil, old) || !Changed(old, nil) || Changed(nil, nil) {
		t.Error("a check has changed when it comes or goes, and no check has not")
	}
}

func TestControlsChanged(t *testing.T) {
	old := mustParse(t, changeable)
	for text, want := range map[string]bool{
		changeable: false,
		strings.Replace(changeable, "preset: root-dns", "targets: [{tcp: {address: '198.51.100.1:80'}}]", 1): true,
		strings.Replace(changeable, "{preset: root-dns}", "none", 1):                                         true,
		strings.Replace(changeable, "30s", "40s", 1):                                                         false,
	} {
		if got := ControlsChanged(old, mustParse(t, text)); got != want {
			t.Errorf("ControlsChanged = %v, want %v:\n%s", got, want, text)
		}
	}
}

// TestBlock: a check travels as its block and arrives as it was, files inlined, and without the file.
func TestBlock(t *testing.T) {
	for _, name := range glob(t, "testdata/good-*.yaml", 3) {
		f, err := Load(name, Options{Now: now()})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range f.Checks {
			got, err := ParseCheck("plan", Block(c))
			if err != nil {
				t.Errorf("%s: %v\n%s", name, err, Block(c))
			} else if Changed(c, got) {
				t.Errorf("%s: sent\n%s\narrived\n%s", name, Block(c), Block(got))
			}
		}
	}
}

// TestParseCheckRefuses what a prober cannot or must not do with a block.
func TestParseCheckRefuses(t *testing.T) {
	for _, row := range []struct{ name, block, want string }{
		{"a key of a newer version", "name: x\nhttp: {url: 'http://192.0.2.1/', quic: true}\n", `plan:2:34: http.quic: unknown key "quic"`},
		{"a kind of a newer version", "name: x\nicmp: {address: 192.0.2.1}\n", `plan:2:1: icmp: unknown key "icmp"`},
		{"a file of the prober", "name: x\nhttp: {url: 'http://192.0.2.1/', send: {file: /etc/passwd}}\n", "plan:2:47: http.send.file: read the file \"/etc/passwd\": files are read where"},
		{"a variable of the prober", "name: x\nhttp: {url: 'http://192.0.2.1/', send: '${env:HOME}'}\n", "GAIKEI_SECRET_"},
		{"no name", "tcp: {address: '192.0.2.1:80'}\n", "plan:1:1: name: name is missing"},
		{"nothing", "", "the file is empty"},
		{"a list", "[]", "found a list, wanted a mapping"},
	} {
		_, err := ParseCheck("plan", []byte(row.block))
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %s", row.name, err, row.want)
		}
	}
}

// TestNoSecretIsShown: what is written out as a credential is in no output for people, and references stay.
func TestNoSecretIsShown(t *testing.T) {
	t.Setenv("GAIKEI_SECRET_SHOP", "hunter-env")
	const text = `regions: {a: {}}
controls: {targets: [{http: {url: "https://u:hunter1@www.example.com/"}}, {http: {url: "https://www.example.org/"}}]}
checks:
  - name: x
    http:
      url: "https://hunter2@shop.example.net/?api_key=hunter3&page=1&X-Amz-Signature=hunter4#part"
      headers:
        Authorization: Basic hunter5
        cookie: [a=hunter6, "b=${env:GAIKEI_SECRET_SHOP}"]
        X-Auth-Token: hunter7
        X-Page: "1"
        X-Link: "see https://u:hunter8@a.example/ and https://b.example/?token=hunter9"
      proxy: "http://joe:hunter10@proxy.example:3128"
  - {name: y, http: {url: "https://y.example/", auth: {bearer: hunter11}, proxy: {url: "http://proxy.example", username: joe, password: hunter12}}}
  - {name: z, http: {url: "https://z.example/", auth: {basic: {username: joe, password: hunter13}}}}
  - name: w
    http: {url: "https://w.example/", auth: {oauth2: {token_url: "https://w.example/?key=1", client_id: joe, client_secret: hunter14, params: {subject_token: hunter15, a: b}}}}
  - {name: v, http: {url: "https://v.example/", auth: {bearer: "${env:GAIKEI_SECRET_SHOP}"}}}
`
	f := mustParse(t, text)
	shown := string(f.Show())
	for _, w := range f.Lint() {
		shown += w.String()
	}
	if strings.Contains(shown, "hunter") {
		t.Errorf("a secret is shown:\n%s", shown)
	}
	for _, kept := range []string{"${env:GAIKEI_SECRET_SHOP}", "page=1", "shop.example.net", "#part", "redacted", "username: joe", "bearer: ${env:GAIKEI_SECRET_SHOP}"} {
		if !strings.Contains(shown, kept) {
			t.Errorf("%s is missing in what is shown:\n%s", kept, shown)
		}
	}
	if _, err := Parse("shown", f.Show(), Options{}); err != nil {
		t.Errorf("what is shown does not load: %v", err)
	}
	if !bytes.Contains(Block(f.Check("x")), []byte("hunter5")) {
		t.Error("the block of a check must hold what is configured")
	}
}

// TestNoSecretInFaults: faults quote what was found, and no credentials with it.
func TestNoSecretInFaults(t *testing.T) {
	for _, url := range []string{"ftp://u:hunter1@a.example/", "https://u:hunter2@${env:GAIKEI_SECRET_X}/", "https://u:hunter3@a.example/%zz", "https://hunter4@/"} {
		_, err := Parse("x.yaml", []byte(strings.Replace(changeable, "http://192.0.2.1/", url, 1)), Options{})
		if err == nil || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%s: got %v, want a fault without the password", url, err)
		}
	}
}

// TestNoSecretIsResolved: reading a configuration looks into neither the environment nor a folder of secrets.
func TestNoSecretIsResolved(t *testing.T) {
	if err := os.Unsetenv("GAIKEI_SECRET_ABSENT"); err != nil {
		t.Fatal(err)
	}
	f := mustParse(t, strings.Replace(changeable, `"text"`, `"${env:GAIKEI_SECRET_ABSENT}${file:absent}"`, 1))
	if got := f.Check("x").Kind.(*probe.HTTP).Send.String(); got != "${env:GAIKEI_SECRET_ABSENT}${file:absent}" {
		t.Errorf("what is sent: got %s, want the references", got)
	}
}

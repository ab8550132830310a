package config

import (
	"fmt"
	"strings"
	"testing"
)

// TestLoginsAreConcealed: a credential that a dialogue sends in plain is not shown, unless it is a reference.
func TestLoginsAreConcealed(t *testing.T) {
	for send, shown := range map[string]bool{
		`PASS open-sesame`:                   false,
		`AUTH PLAIN open-sesame\r\n`:         false,
		`a1 login me open-sesame\r\n`:        false,
		`PASS $${env:GAIKEI} open-sesame`:    false,
		`PASS ${env:GAIKEI_SECRET_X}\r\n`:    true,
		`AUTH TLS\r\n`:                       true,
		`USER me\r\n`:                        true,
		`GET /passwords-and-logins HTTP/1.0`: true,
	} {
		text := fmt.Sprintf("regions: {x: {}}\ncontrols: none\nchecks: [{name: x, tcp: {address: \"192.0.2.1:25\", dialogue: [{send: %q}]}}]\n", send)
		text = strings.ReplaceAll(text, `\\`, `\`)
		f, err := Parse("x.yaml", []byte(text), Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := string(f.Show())
		if concealed := strings.Contains(got, "send: "+concealment); concealed == shown {
			t.Errorf("%s: shown %v, want %v:\n%s", send, !concealed, shown, got)
		}
		if _, err := Parse("shown.yaml", []byte(got), Options{}); err != nil {
			t.Errorf("%s: what is shown does not parse: %v", send, err)
		}
	}
}

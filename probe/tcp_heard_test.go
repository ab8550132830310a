package probe

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// talk is a dialogue with the mailbox of which assertions can ask everything.
func talk(t *testing.T, address string) *TCP {
	return &TCP{
		Address: address, Banner: &Banner{Regex: regexp.MustCompile(`<(?P<id>[^>]+)>\r\n`)},
		Dialogue: []Step{
			send("USER me\r\n"),
			{ExpectText: "+OK\r\n"},
			send("PASS x\r\n"),
			expect(`^\+OK (?P<count>\d+) (messages|message)( seen)?\r\n`), sendText(t, "QUIT ${match:1}\r\n"),
			{ExpectHex: hexOf(t, "2b 4f 4b")},
		},
	}
}

func TestAssertTCP(t *testing.T) {
	t.Parallel()
	tests := []struct {
		assert string
		want   string // of the observation
		reason Reason
	}{
		{`tcp.banner.startsWith('+OK ready') && tcp.banner.endsWith('\r\n')`, "true: true", ReasonNone},
		{`tcp.named.id.contains('@mail.example') && int(tcp.named['count']) == 3`, "true: true", ReasonNone},
		{`size(tcp.steps) == 6 && tcp.steps[1].text == '+OK\r\n' && tcp.steps[5].text == '+OK'`, "true: true", ReasonNone},
		{`tcp.steps[3].captures == ['+OK 3 messages\r\n', '3', 'messages', '']`, "true: true", ReasonNone},
		{`tcp.steps.all(s, s.took < duration('1h')) && tcp.steps[3].took <= phases.exchange`, "true: true", ReasonNone},
		{`tcp.steps.exists(s, s.text.contains('messages')) && has(tcp.named.id)`, "true: true", ReasonNone},
		{`int(tcp.steps[3].captures[1]) > 3`, "false: int(tcp.steps[3].captures[1]) = 3", Assertion},
		{`tcp.banner.contains('busy')`, `false: tcp.banner = "+OK ready <1896.697@mail.example>\r\n"`, Assertion},
		{`tcp.steps[3].took < duration('0s')`, "false: tcp.steps[3].took = ", Assertion},
		{`tcp.steps[size(tcp.steps)].text == ''`, "false: it cannot be evaluated: index out of bounds: 6", Assertion},
	}
	for _, tt := range tests {
		t.Run(tt.assert, func(t *testing.T) {
			t.Parallel()
			a := attemptOf(t, &Check{Kind: talk(t, serve(t, plays(mailbox...))), Assert: []string{tt.assert}}, &World{Verbose: true}, 20*time.Second)
			wantReason(t, &a, tt.reason)
			if got := asserted(&a); len(got) != 1 || !strings.HasPrefix(got[0], tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestAssertTCPAfterFailure: a dialogue that failed is judged by that.
func TestAssertTCPAfterFailure(t *testing.T) {
	t.Parallel()
	c := &Check{Kind: &TCP{Address: serve(t, plays(mailbox...)), Dialogue: []Step{expect("^-ERR")}}, Assert: []string{"tcp.steps[0].text == ''"}}
	a := attemptOf(t, c, &World{}, 20*time.Second)
	wantReason(t, &a, Dialogue)
	if got := asserted(&a); got != nil {
		t.Errorf("found %v, want nothing evaluated", got)
	}
}

func TestValidateAssertTCP(t *testing.T) {
	t.Parallel()
	tests := []struct{ assert, want string }{
		{`tcp.steps[6].text == ''`, "at 1:10: there is no step 6: the dialogue has 6, counted from 0"},
		{`tcp.steps[-1].text == ''`, "there is no step -1"},
		{`tcp.steps[0].text == ''`, "dialogue[0] waits for nothing, so it has no text"},
		{`tcp.steps[1].captures[0] == ''`, "dialogue[1] has no expect, so it has no captures"},
		{`tcp.steps[3].captures[4] == ''`, "there is no capture 4: dialogue[3].expect has 3 groups"},
		{`tcp.named.cuont == '3'`, `no expression of this check has a group with the name "cuont"`},
		{`tcp.named['cuont'] == '3'`, `no expression of this check has a group with the name "cuont"`},
		{`tcp.step[0].text == ''`, "undefined field 'step'"},
		{`tcp.steps[0].took < 3`, "write a time as duration('300ms')"},
		{`tcp.steps[3].text > 3`, "found no matching overload"},
		{`tls.days_left > 3`, "an assertion of this check knows tcp, address, phases and latency"},
		{`has(tcp.named.cuont)`, ""},
		{`tcp.steps[0].took < duration('1s')`, ""},
	}
	validate := func(c *TCP, assert string) string {
		if ps := c.Validate(); ps != nil {
			t.Fatal(ps)
		}
		var got []string
		for _, p := range (&Check{Kind: c, Assert: []string{assert}}).Validate() {
			got = append(got, fmt.Sprintf("%s: %s (%s)", p.Field, p.Message, p.Hint))
		}
		return strings.Join(got, "\n")
	}
	for _, tt := range tests {
		got := validate(talk(t, "mail.example:110"), tt.assert)
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.assert, got, tt.want)
		}
	}
	mute := []*TCP{
		{Address: "mail.example:110"},
		{Address: "mail.example:110", TLS: &TLS{}},
		{Address: "mail.example:110", Dialogue: []Step{send("x"), {Close: CloseSend}, {Close: CloseExpect}}},
	}
	for _, c := range mute {
		if got := validate(c, "tcp.banner == ''"); !strings.Contains(got, "undeclared reference to 'tcp'") {
			t.Errorf("a check that waits for nothing: got %s", got)
		}
	}
	c := &TCP{Address: "mail.example:110", TLS: &TLS{}, Dialogue: []Step{expect("x")}}
	if got := validate(c, "tcp.banner == '' && tls.days_left > 0"); !strings.Contains(got, "this check waits for no banner") {
		t.Errorf("a check without a banner: got %s", got)
	}
}

// TestAssertTCPHostile: however much a target says, what is kept of it is bounded, and so are its captures.
func TestAssertTCPHostile(t *testing.T) {
	t.Parallel()
	says := func(n int) func(net.Conn) {
		return func(c net.Conn) {
			for range n {
				if _, err := io.WriteString(c, strings.Repeat("\xff", 60<<10)+"\n"); err != nil {
					return
				}
			}
		}
	}
	line, groups := expect("\n"), expect(`(?s)^(((((.*)))))\n`)
	tests := []struct {
		steps  []Step
		assert string
		want   string
	}{
		{[]Step{line, line}, `tcp.steps[1].text.endsWith('\n')`, "true: true"},
		{[]Step{line, line, line, line, line, line, line, line}, `tcp.steps[7].text.endsWith('\n')`, "false: it cannot be evaluated: what was heard has 491536 bytes"},
		{[]Step{groups}, `tcp.steps[0].captures[5].size() > 0`, "false: it cannot be evaluated: what was heard has "},
	}
	for _, tt := range tests {
		c := &TCP{Address: serve(t, says(len(tt.steps))), Dialogue: tt.steps}
		a := attemptOf(t, &Check{Kind: c, Assert: []string{tt.assert}}, &World{Verbose: true}, 20*time.Second)
		got := asserted(&a)
		if len(got) != 1 || !strings.HasPrefix(got[0], tt.want) {
			t.Errorf("%s: got %q, want %q", tt.assert, got, tt.want)
		}
	}
	h := &hearing{texts: make([]heardText, 100)}
	kept := 0
	for i := range h.texts {
		h.add(i, make([]byte, maxWindow), nil, nil)
		kept += len(h.texts[i].text)
	}
	if kept > maxAssertedBody {
		t.Errorf("kept %d bytes, want at most %d", kept, maxAssertedBody)
	}
}

// TestAssertTCPSecrets: what a target repeats of a secret is shown nowhere, not even in parts.
func TestAssertTCPSecrets(t *testing.T) {
	t.Parallel()
	const secret = "open-sesame-7"
	echo := func(c net.Conn) {
		b := make([]byte, len("PASS "+secret+"\r\n"))
		if _, err := io.ReadFull(c, b); err == nil {
			_, _ = c.Write(b)
		}
	}
	for _, assert := range []string{"tcp.steps[1].text == ''", "tcp.steps[1].captures[1] == ''", "tcp.named.part == ''", "tcp.steps[1].captures[0] == ''"} {
		c := &TCP{Address: serve(t, echo), Dialogue: []Step{sendText(t, "PASS ${env:GAIKEI_SECRET_X}\r\n"), expect(`PASS open-(ses)a(?P<part>me-\d)\r\n`)}}
		w := &World{Verbose: true, Secret: func(string, string) (string, error) { return secret, nil }}
		a := attemptOf(t, &Check{Kind: c, Assert: []string{assert}}, w, 20*time.Second)
		wantReason(t, &a, Assertion)
		text := fmt.Sprint(asserted(&a), a.Detail.Error)
		if strings.Contains(text, "ses") && assert != "tcp.steps[1].text == ''" || strings.Contains(text, "me-7") || !strings.Contains(text, redacted) {
			t.Errorf("%s: shown as %s", assert, text)
		}
	}
}

// TestAssertTCPOverTLS: what was heard over TLS, and of TLS itself.
func TestAssertTCPOverTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "localhost", -1, 30)}}
	address := serve(t, func(c net.Conn) {
		s := tls.Server(c, config)
		_ = play(s, bufio.NewReader(s), mailbox)
	})
	for assert, want := range map[string][]string{
		"tcp.steps[0].captures[0] == '1896.697' && tls.days_left > 20": {"true: true"},
		"tcp.steps[0].captures[0] == '1896.698' || tls.days_left > 90": {"false: false"},
	} {
		c := &TCP{Address: address, TLS: &TLS{CA: ca.pem, ServerName: "localhost"}, Dialogue: []Step{expect(`\d+\.\d+`)}}
		a := attemptOf(t, &Check{Kind: c, Assert: []string{assert}}, &World{Verbose: true}, 20*time.Second)
		if diff := cmp.Diff(want, asserted(&a)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", assert, diff)
		}
	}
}

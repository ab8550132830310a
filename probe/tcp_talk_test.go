package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A line of a play: what the target waits for, as the beginning of a line, and what it says then.
type cue struct{ hears, says string }

// plays is a target that follows cues and then keeps the connection open.
func plays(cues ...cue) func(net.Conn) {
	return func(c net.Conn) { _ = play(c, bufio.NewReader(c), cues) }
}

func play(c net.Conn, br *bufio.Reader, cues []cue) error {
	for _, q := range cues {
		if q.hears != "" {
			line, err := br.ReadString('\n')
			if err != nil || !strings.HasPrefix(line, q.hears) {
				c.Close()
				return fmt.Errorf("heard %q, wanted %q: %w", line, q.hears, err)
			}
		}
		if _, err := io.WriteString(c, q.says); err != nil {
			return err
		}
	}
	return nil
}

func hangsUp(c net.Conn) { c.Close() }

// inTurn does one thing after the other with a connection.
func inTurn(fs ...func(net.Conn)) func(net.Conn) {
	return func(c net.Conn) {
		for _, f := range fs {
			f(c)
		}
	}
}

func send(text string) Step { return Step{Send: SendText{Literal(text)}} }

func expect(re string) Step { return Step{Expect: regexp.MustCompile(re)} }

// sendText reads a text with references.
func sendText(t *testing.T, text string) Step {
	t.Helper()
	var s SendText
	if err := s.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return Step{Send: s}
}

func hexOf(t *testing.T, text string) Hex {
	t.Helper()
	var h Hex
	if err := h.UnmarshalText([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return h
}

// mailbox is a small POP3 server.
var mailbox = []cue{{"", "+OK ready <1896.697@mail.example>\r\n"}, {"USER me", "+OK\r\n"}, {"PASS ", "+OK 3 messages\r\n"}, {"QUIT", "+OK bye\r\n"}}

func TestTCPDialogue(t *testing.T) {
	t.Parallel()
	quit := []Step{send("QUIT\r\n"), expect(`^\+OK`), {Close: CloseExpect}}
	tests := []struct {
		name  string
		serve func(net.Conn)
		tcp   TCP
		want  Reason
	}{
		{"banner", plays(mailbox...), TCP{Banner: &Banner{Contains: "+OK"}}, ReasonNone},
		{"banner by expression", plays(mailbox...), TCP{Banner: &Banner{Regex: regexp.MustCompile(`<\d+\.\d+@`)}}, ReasonNone},
		{"banner by both", plays(mailbox...), TCP{Banner: &Banner{Contains: "ready", Regex: regexp.MustCompile("^.OK")}}, ReasonNone},
		{"banner of one of both", plays(mailbox...), TCP{Banner: &Banner{Contains: "absent", Regex: regexp.MustCompile("^.OK")}}, TooSlow},
		{"another banner", plays(mailbox...), TCP{Banner: &Banner{Regex: regexp.MustCompile("^220 ")}}, Dialogue},
		{
			"whole conversation", inTurn(plays(mailbox...), hangsUp),
			TCP{Banner: &Banner{Regex: regexp.MustCompile("\r\n")}, Dialogue: append([]Step{send("USER me\r\n"), expect(`^\+OK.*\r\n`), send("PASS x\r\n"), expect(`(\d+) messages\r\n`)}, quit...)},
			ReasonNone,
		},
		{
			"what is left over belongs to the next step", plays(cue{"", "one two "}, cue{"go", "three"}),
			TCP{Dialogue: []Step{expect("one "), {ExpectText: "two "}, send("go\n"), {ExpectText: "three"}}},
			ReasonNone,
		},
		{
			"captures", plays(cue{"", "id=42 user=me\n"}, cue{"42 me user=me ${match:id}\n", "fine\n"}),
			TCP{Dialogue: []Step{expect(`id=(?P<id>\d+) `), expect(`user=(\w+)`), sendText(t, "${match:id} ${match:1} ${match:0} $${match:id}\n"), expect("fine")}},
			ReasonNone,
		},
		{"bytes", plays(cue{"", "\x00\xff\x07"}, cue{"\x01\xfe", "\x02"}), TCP{Dialogue: []Step{{ExpectHex: hexOf(t, "00 ?? 07")}, {SendHex: hexOf(t, "01fe0a")}, {ExpectHex: hexOf(t, "02")}}}, ReasonNone},
		{"other bytes", plays(cue{"", "\x00\xff\x07"}), TCP{Dialogue: []Step{{ExpectHex: hexOf(t, "00 ?? 08")}}}, Dialogue},
		{"other text", plays(mailbox...), TCP{Dialogue: []Step{{ExpectText: "+OK gone"}}}, Dialogue},
		{"text in time", plays(mailbox...), TCP{Dialogue: []Step{{ExpectText: "+OK ready"}}}, ReasonNone},
		{
			"half-closed", func(c net.Conn) { b, _ := io.ReadAll(c); fmt.Fprintf(c, "%d bytes\n", len(b)) },
			TCP{Dialogue: []Step{send("hello"), {Close: CloseSend}, {ExpectText: "5 bytes\n"}}},
			ReasonNone,
		},
		{"does not close", plays(mailbox...), TCP{Dialogue: []Step{expect("OK"), {Close: CloseExpect}}}, TooSlow},
		{"closes without a word", hangsUp, TCP{Dialogue: []Step{{Close: CloseExpect}}}, ReasonNone},
		{"closes in place of an answer", inTurn(plays(mailbox[:2]...), hangsUp), TCP{Dialogue: []Step{expect("ready"), send("USER me\r\n"), expect("messages")}}, Dialogue},
		{"sends only", func(net.Conn) {}, TCP{Dialogue: []Step{send("hello\n")}}, ReasonNone},
		{"refused", nil, TCP{Banner: &Banner{Contains: "+OK"}}, Refused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.tcp.Address = closedPort(t); tt.serve != nil {
				tt.tcp.Address = serve(t, tt.serve)
			}
			a := attempt(t, &tt.tcp, &World{}, patience(tt.want))
			wantReason(t, &a, tt.want)
			wantSpans(t, &a)
			if want := tt.want != Refused; a.Answered != want {
				t.Errorf("answered: %v, want %v", a.Answered, want)
			}
		})
	}
}

// TestTCPSteps: each step is told with what was got, up to the one that failed, and has a phase of its own.
func TestTCPSteps(t *testing.T) {
	t.Parallel()
	c := &TCP{
		Address: serve(t, plays(mailbox...)), Banner: &Banner{Contains: "+OK"},
		Dialogue: []Step{send("USER me\r\n"), expect(`\+OK\r\n`), send("PASS x\r\n"), {ExpectText: "-ERR"}, send("QUIT\r\n")},
	}
	a := attempt(t, c, &World{}, 20*time.Second)
	wantReason(t, &a, Dialogue)
	took := regexp.MustCompile(` in [0-9.]+[nµm]?s$`)
	var got []Observation
	for _, o := range a.Detail.Assertions {
		if !took.MatchString(o.Got) {
			t.Errorf("%s: %q does not tell how long it took", o.What, o.Got)
		}
		o.Got = took.ReplaceAllString(o.Got, "")
		got = append(got, o)
	}
	want := []Observation{
		{What: "banner", Want: `with "+OK"`, Got: `"+OK"`, Held: true},
		{What: "dialogue[0].send", Want: "all of it sent", Got: "9 bytes sent", Held: true},
		{What: "dialogue[1].expect", Want: `\+OK\r\n`, Got: `" ready <1896.697@mail.example>\r\n+OK\r\n"`, Held: true},
		{What: "dialogue[2].send", Want: "all of it sent", Got: "8 bytes sent", Held: true},
		{What: "dialogue[3].expect_text", Want: `"-ERR"`, Got: `"+OK 3 messages\r\n"`, Reason: Dialogue},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("assertions (-want +got):\n%s", d)
	}
	exchanges := 0
	for _, s := range a.Spans {
		if s.Phase == PhaseExchange {
			exchanges++
		}
	}
	if exchanges != len(want) {
		t.Errorf("%d exchanges, want one for each of %d moves", exchanges, len(want))
	}
	if want := `dialogue[3].expect_text: got "+OK 3 messages\r\n", which differs in byte 1`; a.Detail.Error != want {
		t.Errorf("error -want +got:\n- %s\n+ %s", want, a.Detail.Error)
	}
}

// TestTCPSecrets: a secret is sent, and shown nowhere, also if the target repeats it where texts are cut.
func TestTCPSecrets(t *testing.T) {
	t.Parallel()
	const secret = "open-sesame-7\""
	world := func(err error) *World {
		return &World{Verbose: true, Secret: func(scheme, name string) (string, error) { return secret, err }}
	}
	echo := func(before int) func(net.Conn) {
		return func(c net.Conn) {
			line, _ := bufio.NewReader(c).ReadString('\n')
			fmt.Fprint(c, strings.Repeat(secret, before), strings.Repeat("x", maxHeard-3*before), line, strings.Repeat("y", 100), "\r\n")
			c.Close()
		}
	}
	for before := range 40 {
		c := &TCP{Address: serve(t, echo(before)), Dialogue: []Step{sendText(t, "PASS ${env:GAIKEI_SECRET_X}\r\n"), expect("absent")}}
		a := attempt(t, c, world(nil), 20*time.Second)
		wantReason(t, &a, Dialogue)
		text := fmt.Sprint(a.Detail.Error, a.Detail.Assertions)
		for n := 5; n < len(secret); n++ {
			if strings.Contains(text, secret[:n]) {
				t.Fatalf("after %d secrets %q is shown in %s", before, secret[:n], text)
			}
		}
	}
	c := &TCP{Address: closedPort(t), Dialogue: []Step{sendText(t, "PASS ${env:GAIKEI_SECRET_X}\r\n")}}
	a := attempt(t, c, world(io.ErrUnexpectedEOF), 20*time.Second)
	wantReason(t, &a, Secret)
	if want := "dialogue[0].send: ${env:GAIKEI_SECRET_X}: "; !strings.HasPrefix(a.Detail.Error, want) {
		t.Errorf("error -want +got:\n- %s…\n+ %s", want, a.Detail.Error)
	}
}

// TestTCPOverTLS holds a dialogue in TLS from the beginning, and in one that begins at a step.
func TestTCPOverTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "localhost", -1, 30)}}
	settings := func(days int) *TLS { return &TLS{CA: ca.pem, ServerName: "localhost", MinDaysLeft: days} }
	secured := func(c net.Conn) {
		s := tls.Server(c, config)
		_ = play(s, bufio.NewReader(s), mailbox)
	}
	upgrade := []Step{expect("ready.*\r\n"), send("USER me\r\n"), {ExpectText: "+OK\r\n"}, {StartTLS: true}, expect("ready"), {Close: CloseSend}, {Close: CloseExpect}}
	upgraded := inTurn(plays(mailbox[:2]...), func(c net.Conn) {
		s := tls.Server(c, config)
		_, _ = io.WriteString(s, "ready in TLS")
		_, _ = io.Copy(io.Discard, s)
		s.Close()
	})
	tests := []struct {
		name  string
		serve func(net.Conn)
		tcp   TCP
		want  Reason
	}{
		{"banner", secured, TCP{TLS: settings(29), Banner: &Banner{Contains: "ready"}}, ReasonNone},
		{"dialogue", secured, TCP{TLS: settings(0), Dialogue: []Step{expect("ready"), send("USER me\r\n"), expect("OK")}}, ReasonNone},
		{"days left", secured, TCP{TLS: settings(31), Banner: &Banner{Contains: "ready"}}, TLSExpired},
		{"the dialogue fails before the days", secured, TCP{TLS: settings(31), Banner: &Banner{Regex: regexp.MustCompile("^220")}}, Dialogue},
		{"untrusted", secured, TCP{TLS: &TLS{ServerName: "localhost"}, Banner: &Banner{Contains: "ready"}}, TLSUntrusted},
		{"upgrade", upgraded, TCP{TLS: settings(0), Dialogue: upgrade}, ReasonNone},
		{"upgrade of the untrusted", upgraded, TCP{Dialogue: upgrade}, TLSNameMismatch},
		{"upgrade and no TLS", inTurn(plays(mailbox[:2]...), func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); _, _ = io.WriteString(c, mailbox[0].says) }), TCP{Dialogue: upgrade}, TLSHandshake},
		{"silent after the handshake", func(c net.Conn) { _ = tls.Server(c, config).Handshake() }, TCP{TLS: settings(0), Banner: &Banner{Contains: "ready"}}, ResponseTimeout},
		{"hangs up after the handshake", func(c net.Conn) { _ = tls.Server(c, config).Handshake(); c.Close() }, TCP{TLS: settings(0), Banner: &Banner{Contains: "ready"}}, Reset},
		{
			"garbage in place of records", func(c net.Conn) { _ = tls.Server(c, config).Handshake(); _, _ = io.WriteString(c, mailbox[0].says) },
			TCP{TLS: settings(0), Banner: &Banner{Contains: "ready"}},
			TLSHandshake,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.tcp.Address = serve(t, tt.serve)
			a := attempt(t, &tt.tcp, &World{Verbose: true}, patience(tt.want))
			wantReason(t, &a, tt.want)
			wantSpans(t, &a)
			if !a.Answered {
				t.Error("not answered, want answered: TLS was spoken")
			}
			if i := slices.IndexFunc(a.Spans, func(s Span) bool { return s.Phase == PhaseTLS }); i < 0 || a.Detail.TLS == nil {
				t.Errorf("no phase or no detail of TLS: %v", a.Spans)
			}
		})
	}
}

// TestTCPStopped: an attempt that the prober gives up says nothing about the target.
func TestTCPStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	c := &TCP{Address: serve(t, func(net.Conn) { cancel() }), Banner: &Banner{Contains: "x"}}
	if ps := c.Validate(); ps != nil {
		t.Fatal(ps)
	}
	a := c.Attempt(ctx, &World{})
	wantReason(t, &a, Stopped)
}

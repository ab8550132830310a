package probe

import (
	"encoding"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTCPValidate(t *testing.T) {
	t.Parallel()
	re, tlsOn, long := regexp.MustCompile, &TLS{}, strings.Repeat("x", maxSend+1)
	tests := []struct {
		name string
		tcp  TCP
		want []string // "field: part of the message"
	}{
		{"all at once", TCP{
			TLS: tlsOn, StartTLS: StartTLSSMTP, Banner: &Banner{Contains: "ESMTP"},
			Dialogue: []Step{send("NOOP\r\n"), expect(`(\d+)`), sendText(t, "${match:1}"), {Close: CloseSend}, {ExpectText: "bye"}, {Close: CloseExpect}},
		}, nil},
		{"a group of the banner", TCP{Banner: &Banner{Regex: re("(?P<id><.*>)")}, Dialogue: []Step{sendText(t, "${match:id} ${match:1}")}}, nil},
		{"named groups of any expect", TCP{Dialogue: []Step{expect("(?P<a>.)"), expect("b"), sendText(t, "${match:a} ${match:0}")}}, nil},
		{"alert", TCP{TLS: tlsOn, ExpectAlert: []TLSAlert{116}}, nil},
		{"alert after starttls", TCP{StartTLS: StartTLSLDAP, ExpectAlert: []TLSAlert{116}}, nil},

		{"empty banner", TCP{Banner: &Banner{}}, []string{"banner: neither contains nor regex"}},
		{"banner of anything", TCP{Banner: &Banner{Regex: re("x*")}}, []string{"banner.regex: matches before anything"}},
		{"long banner", TCP{Banner: &Banner{Contains: long}}, []string{"banner.contains: found a text of"}},
		{"banner of who is spoken to", TCP{StartTLS: StartTLSPostgres, Banner: &Banner{Contains: "x"}}, []string{"banner: a server of postgres says nothing"}},
		{"an unknown protocol", TCP{StartTLS: numStartTLS}, []string{"starttls: wanted smtp, imap"}},
		{"TLS twice", TCP{StartTLS: StartTLSSMTP, Dialogue: []Step{{StartTLS: true}}}, []string{"starttls: TLS would begin twice"}},
		{"TLS at two steps", TCP{Dialogue: []Step{{StartTLS: true}, {StartTLS: true}}}, []string{"dialogue[1].starttls: TLS is spoken already"}},

		{"step of nothing", TCP{Dialogue: []Step{{}}}, []string{"dialogue[0]: found nothing to do"}},
		{"step of two", TCP{Dialogue: []Step{{Send: send("x").Send, Expect: re("x")}}}, []string{"dialogue[0]: found send and expect"}},
		{"too many steps", TCP{Dialogue: repeated(send("x"), maxSteps+1)}, []string{"dialogue: found 33 steps"}},
		{"expects anything", TCP{Dialogue: []Step{expect("(a|b)?")}}, []string{"dialogue[0].expect: matches before anything"}},
		{"large expression", TCP{Dialogue: []Step{expect("x{600}")}}, []string{"dialogue[0].expect: of 602 instructions, wanted at most 500"}},
		{"long", TCP{Dialogue: []Step{send(long), {ExpectText: long}}}, []string{"dialogue[0].send: found 65537 bytes", "dialogue[1].expect_text: found 65537 bytes"}},
		{"sends any byte", TCP{Dialogue: []Step{{SendHex: hexOf(t, "00??")}}}, []string{"dialogue[0].send_hex: found ??"}},
		{"capture of nothing", TCP{Dialogue: []Step{sendText(t, "${match:1}"), expect("(x)")}}, []string{"dialogue[0].send: no expect before it"}},
		{"captures that are not there", TCP{Dialogue: []Step{expect("(x)"), sendText(t, "${match:2} ${match:x} ${match:}")}}, []string{"dialogue[1].send: has 1 groups", "dialogue[1].send: ${match:x} is no group", "dialogue[1].send: ${match:} is no group"}},
		{"after we closed", TCP{Dialogue: []Step{{Close: CloseSend}, send("x"), {StartTLS: true}, {Close: CloseSend}}}, []string{"dialogue[1].send: closed by then", "dialogue[2].starttls: closed", "dialogue[3].close: closed"}},
		{"after it closed", TCP{Dialogue: []Step{{Close: CloseExpect}, expect("x")}}, []string{"dialogue[1]: the target has closed"}},
		{"another way to close", TCP{Dialogue: []Step{{Close: 7}}}, []string{"dialogue[0].close: wanted send or expect"}},

		{"alert without TLS", TCP{ExpectAlert: []TLSAlert{116}}, []string{"expect_alert: no TLS is spoken"}},
		{"alert and more", TCP{TLS: tlsOn, Banner: &Banner{Contains: "x"}, ExpectAlert: []TLSAlert{116}}, []string{"expect_alert: banner comes after it"}},
		{"alert and days", TCP{TLS: &TLS{MinDaysLeft: 3}, ExpectAlert: []TLSAlert{0}}, []string{"expect_alert: close_notify", "expect_alert: no certificate to count days of"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.tcp.Address = "mail.example.com:25"
			got := tt.tcp.Validate()
			if len(got) != len(tt.want) {
				t.Fatalf("problems -want +got:\n%s", cmp.Diff(tt.want, problemTexts(got)))
			}
			for _, want := range tt.want {
				if !described(got, want) {
					t.Errorf("no problem like %q in %q", want, problemTexts(got))
				}
			}
		})
	}
}

// TestTCPTexts reads and writes the values that have a text of their own.
func TestTCPTexts(t *testing.T) {
	t.Parallel()
	type text interface {
		encoding.TextUnmarshaler
		encoding.TextMarshaler
	}
	for _, tt := range []struct {
		in   string
		into text
		want string // what is written; empty: refused
	}{
		{"000FfF", new(Hex), "00 0f ff"},
		{" 00 ??\n1", new(Hex), ""},
		{"00 ?? 01", new(Hex), "00 ?? 01"},
		{"0?", new(Hex), ""},
		{"", new(Hex), ""},
		{"xy", new(Hex), ""},
		{"send", new(Closing), "send"},
		{"expect", new(Closing), "expect"},
		{"", new(Closing), ""},
		{"smtp", new(StartTLS), "smtp"},
		{"xmpp", new(StartTLS), "xmpp"},
		{"", new(StartTLS), ""},
		{"SMTP", new(StartTLS), ""},
		{"a ${match:x} ${env:GAIKEI_SECRET_X} $${match:y}", new(SendText), "a ${match:x} ${env:GAIKEI_SECRET_X} $${match:y}"},
		{"${env:HOME}", new(SendText), ""},
		{"${match:x", new(SendText), ""},
	} {
		err := tt.into.UnmarshalText([]byte(tt.in))
		if (err == nil) != (tt.want != "") {
			t.Errorf("%T of %q: %v, want an error: %v", tt.into, tt.in, err, tt.want == "")
			continue
		}
		if got, _ := tt.into.MarshalText(); err == nil && string(got) != tt.want {
			t.Errorf("%T of %q is written %q, want %q", tt.into, tt.in, got, tt.want)
		}
	}
	var other Template
	if err := other.UnmarshalText([]byte("${match:x}")); err == nil {
		t.Error("a text that is no send of a dialogue took ${match:x}")
	}
	for _, s := range []fmt.Stringer{Closing(9), StartTLS(99)} {
		if !strings.Contains(s.String(), "9") {
			t.Errorf("%T of an unknown value is %q", s, s)
		}
	}
}

package probe

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
)

// hearsBytes is a target that waits for exactly these bytes, and then says others.
func hearsBytes(hears, says string) func(net.Conn) {
	return func(c net.Conn) {
		got := make([]byte, len(hears))
		if _, err := io.ReadFull(c, got); err != nil || string(got) != hears {
			c.Close()
			return
		}
		_, _ = io.WriteString(c, says)
	}
}

// mysqlHello is the greeting of a server with these flags.
func mysqlHello(flags uint16) string {
	body := "\x0a8.0.42-test\x00" + "\x01\x00\x00\x00" + "12345678" + "\x00" + string([]byte{byte(flags), byte(flags >> 8)}) + "\xff\x02\x00\x0f\xc0"
	return string([]byte{byte(len(body)), 0, 0, 0}) + body
}

const (
	mysqlRequest  = "\x20\x00\x00\x01\x00\x8a\x00\x00\x00\x00\x00\x01\x2d" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	ldapAgrees    = "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"
	ldapAgreesBER = "\x30\x84\x00\x00\x00\x10\x02\x01\x01\x78\x84\x00\x00\x00\x07\x0a\x01\x00\x04\x00\x04\x00"
	ldapRefuses   = "\x30\x0e\x02\x01\x01\x78\x09\x0a\x01\x02\x04\x00\x04\x02no"
	ldapNotice    = "\x30\x0c\x02\x01\x00\x78\x07\x0a\x01\x34\x04\x00\x04\x00"
	xmppOpens     = "<?xml version='1.0'?><stream:stream to='localhost' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	xmppHello     = "<?xml version=\"1.0\" encoding='UTF-8'?>\n<stream:stream id='1' from='localhost' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>"
	xmppOffers    = "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls><x xmlns='y'/></stream:features>"
	xmppAsks      = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
)

// agreeing are targets that come to TLS as each protocol does.
func agreeing() map[StartTLS]func(net.Conn) {
	return map[StartTLS]func(net.Conn){
		StartTLSSMTP: plays(
			cue{"", "220-mail.example\r\n220 ESMTP\r\n"}, cue{"EHLO [127.0.0.1]\r\n", "250-mail.example\r\n250-SIZE 100\r\n250 StartTLS\r\n"}, cue{"STARTTLS\r\n", "220 go on\r\n"},
		),
		StartTLSIMAP: plays(cue{"", "* OK [CAPABILITY IMAP4rev1] ready\r\n"}, cue{"a1 STARTTLS\r\n", "* CAPABILITY IMAP4rev1\r\na1 OK go on\r\n"}),
		StartTLSPOP3: plays(cue{"", "+OK\r\n"}, cue{"STLS\r\n", "+OK go on\r\n"}),
		StartTLSFTP:  plays(cue{"", "120 soon\r\n220-hello\r\n 220 is not the end\r\n220 ready\r\n"}, cue{"AUTH TLS\r\n", "234 go on\r\n"}),
		StartTLSLDAP: hearsBytes(ldapStartTLS, ldapAgreesBER), StartTLSPostgres: hearsBytes("\x00\x00\x00\x08\x04\xd2\x16\x2f", "S"),
		StartTLSMySQL: inTurn(plays(cue{"", mysqlHello(0xffff)}), hearsBytes(mysqlRequest, "")),
		StartTLSXMPP:  inTurn(hearsBytes(xmppOpens, xmppHello+xmppOffers), hearsBytes(xmppAsks, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")),
	}
}

func TestStartTLS(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "localhost", -1, 30)}}
	serves := agreeing()
	for by := NoStartTLS + 1; by < numStartTLS; by++ {
		t.Run(by.String(), func(t *testing.T) {
			t.Parallel()
			secured := inTurn(serves[by], func(c net.Conn) {
				s := tls.Server(c, config)
				_ = play(s, bufio.NewReader(s), []cue{{"hello", "and hello"}})
			})
			c := &TCP{
				Address: serve(t, secured), StartTLS: by, TLS: &TLS{CA: ca.pem, ServerName: "localhost", MinDaysLeft: 29},
				Dialogue: []Step{send("hello\n"), expect("and hello")},
			}
			a := look(t, c)
			wantReason(t, &a, ReasonNone)
			wantSpans(t, &a)
			c = &TCP{Address: serve(t, secured), StartTLS: by, TLS: &TLS{CA: ca.pem, ServerName: "localhost", MinDaysLeft: 31}}
			a = look(t, c)
			wantReason(t, &a, TLSExpired)
			// Plain bytes that somebody slips in behind the agreement.
			slipped := inTurn(serves[by], func(c net.Conn) {
				_, _ = io.WriteString(c, "220 slipped in\r\n")
				_ = tls.Server(c, config).Handshake()
			})
			for range 20 {
				a = look(t, &TCP{Address: serve(t, slipped), StartTLS: by, TLS: &TLS{CA: ca.pem, ServerName: "localhost"}})
				if a.Reason != Protocol && a.Reason != TLSHandshake {
					t.Errorf("reason with a slip: %s, want protocol, or tls_handshake if it came later", a.Reason)
				}
			}
		})
	}
}

// TestStartTLSSlip: what comes together with the agreement is found at once.
func TestStartTLSSlip(t *testing.T) {
	t.Parallel()
	for by, says := range map[StartTLS]func(net.Conn){
		StartTLSPOP3: plays(cue{"", "+OK\r\n"}, cue{"STLS\r\n", "+OK go on\r\n+OK slipped in\r\n"}), StartTLSPostgres: hearsBytes("\x00\x00\x00\x08\x04\xd2\x16\x2f", "SE"),
		StartTLSLDAP: hearsBytes(ldapStartTLS, ldapAgrees+"0"), StartTLSMySQL: plays(cue{"", mysqlHello(0xffff) + "more"}),
	} {
		a := look(t, &TCP{Address: serve(t, says), StartTLS: by})
		wantReason(t, &a, Protocol)
	}
}

func TestStartTLSBanner(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Reason{"ready": TLSHandshake, "absent": TooSlow} {
		says := inTurn(agreeing()[StartTLSIMAP], func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); _, _ = io.WriteString(c, "no TLS") })
		c := &TCP{Address: serve(t, says), StartTLS: StartTLSIMAP, Banner: &Banner{Contains: text}}
		a := attempt(t, c, &World{}, patience(want))
		wantReason(t, &a, want)
	}
}

// A hostilePrelude is a server that misbehaves before TLS.
type hostilePrelude struct {
	name  string
	by    StartTLS
	serve func(net.Conn)
	want  Reason
}

func (h *hostilePrelude) kind(t testing.TB) Kind {
	return &TCP{Address: serve(t, h.serve), StartTLS: h.by, TLS: &TLS{ServerName: "localhost"}}
}

// hostileStartTLS are servers that misbehave on the way to TLS.
func hostileStartTLS() []hostilePrelude {
	flood := func(beginning, more string) func(net.Conn) {
		return func(c net.Conn) {
			_, err := io.WriteString(c, beginning)
			for chunk := strings.Repeat(more, 1+8192/len(more)); err == nil; {
				_, err = io.WriteString(c, chunk)
			}
		}
	}
	hello := func(says string) func(net.Conn) { return plays(cue{"", says}) }
	greeted := "220 hello\r\n"
	return []hostilePrelude{
		{"silent", StartTLSSMTP, func(net.Conn) {}, ResponseTimeout},
		{"hangs up", StartTLSSMTP, hangsUp, Reset},
		{"resets", StartTLSSMTP, resets, Reset},
		{"half a line", StartTLSSMTP, hello("220 he"), TooSlow},
		{"hangs up within a line", StartTLSSMTP, inTurn(hello("220 he"), hangsUp), Protocol},
		{"resets after the greeting", StartTLSSMTP, inTurn(hello(greeted), func(c net.Conn) { _, _ = c.Read(make([]byte, 1)); resets(c) }), Protocol},
		{"silent after the greeting", StartTLSSMTP, hello(greeted), TooSlow},
		{"not ready", StartTLSSMTP, hello("421 too busy\r\n"), Dialogue},
		{"not offered", StartTLSSMTP, plays(cue{"", greeted}, cue{"EHLO", "250-STARTTLS.example\r\n250 SIZE\r\n"}), Dialogue},
		{"offered and refused", StartTLSSMTP, plays(cue{"", greeted}, cue{"EHLO", "250-x\r\n250 STARTTLS\r\n"}, cue{"STARTTLS", "454 no certificate\r\n"}), Dialogue},
		{"another protocol", StartTLSSMTP, hello("SSH-2.0-OpenSSH\r\n"), Protocol},
		{"lines for ever", StartTLSSMTP, flood(greeted+"250-x\r\n", "250-and more\r\n"), Protocol},
		{"a line for ever", StartTLSSMTP, flood("220 ", "x"), Protocol},
		{"silent after the agreement", StartTLSPOP3, agreeing()[StartTLSPOP3], ResponseTimeout},

		{"greeting for ever", StartTLSFTP, flood("", "120 soon\r\n"), Protocol},
		{"not implemented", StartTLSFTP, plays(cue{"", greeted}, cue{"AUTH TLS", "500 what?\r\n"}), Dialogue},
		{"full", StartTLSFTP, hello("530 full\r\n"), Dialogue},
		{"code and no blank", StartTLSFTP, hello("220x\r\n"), Protocol},

		{"bye", StartTLSIMAP, hello("* BYE busy\r\n"), Dialogue},
		{"authenticated", StartTLSIMAP, hello("* PREAUTH root\r\n"), Dialogue},
		{"no greeting", StartTLSIMAP, hello("OK\r\n"), Protocol},
		{"bad", StartTLSIMAP, plays(cue{"", "* OK\r\n"}, cue{"a1", "a1 BAD what?\r\n"}), Dialogue},
		{"another tag", StartTLSIMAP, plays(cue{"", "* OK\r\n"}, cue{"a1", "a2 OK\r\n"}), Protocol},
		{"untagged for ever", StartTLSIMAP, flood("* OK\r\n", "* 1 EXISTS\r\n"), Protocol},

		{"error", StartTLSPOP3, hello("-ERR busy\r\n"), Dialogue},
		{"no status", StartTLSPOP3, hello("+OKAY\r\n"), Protocol},
		{"NUL for ever", StartTLSPOP3, flood("", "\x00"), Protocol},

		{"refused", StartTLSLDAP, hearsBytes(ldapStartTLS, ldapRefuses), Dialogue},
		{"notice of disconnection", StartTLSLDAP, hearsBytes(ldapStartTLS, ldapNotice), Dialogue},
		{"no BER", StartTLSLDAP, hello("HTTP/1.1 400 Bad Request\r\n"), Protocol},
		{"indefinite length", StartTLSLDAP, hello("\x30\x80\x02\x01\x01\x00\x00"), Protocol},
		{"four GiB", StartTLSLDAP, flood("\x30\x84\xff\xff\xff\xff", "x"), Protocol},
		{"length of nine bytes", StartTLSLDAP, hello("\x30\x89\x00\x00\x00\x00\x00\x00\x00\x00\x01"), Protocol},
		{"longer inside", StartTLSLDAP, hello("\x30\x0c\x02\x01\x01\x78\x7f\x0a\x01\x00\x04\x00\x04\x00"), Protocol},
		{"empty message", StartTLSLDAP, hello("\x30\x00"), Protocol},
		{"another operation", StartTLSLDAP, hello("\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"), Protocol},
		{"cut short", StartTLSLDAP, inTurn(hearsBytes(ldapStartTLS, ldapAgrees[:9]), hangsUp), Protocol},

		{"no", StartTLSPostgres, hearsBytes(postgresSSL, "N"), Dialogue},
		{"old error", StartTLSPostgres, hearsBytes(postgresSSL, "Eunsupported frontend protocol\x00"), Dialogue},
		{"neither", StartTLSPostgres, hearsBytes(postgresSSL, "H"), Protocol},
		{"silent to the request", StartTLSPostgres, hearsBytes(postgresSSL, ""), ResponseTimeout},

		{"no TLS", StartTLSMySQL, hello(mysqlHello(0xf7ff)), Dialogue},
		{"blocked", StartTLSMySQL, hello("\x10\x00\x00\x00\xff\x69\x04Host blocked."), Dialogue},
		{"old version", StartTLSMySQL, hello("\x03\x00\x00\x00\x093\x00"), Protocol},
		{"empty packet", StartTLSMySQL, hello("\x00\x00\x00\x00"), Protocol},
		{"version without end", StartTLSMySQL, hello("\x05\x00\x00\x00\x0a8.0."), Protocol},
		{"no flags", StartTLSMySQL, hello("\x09\x00\x00\x00\x0a8.0.42\x00\x01"), Protocol},
		{"16 MiB", StartTLSMySQL, flood("\xff\xff\xff\x00\x0a", "x"), Protocol},

		{"no stream", StartTLSXMPP, hello("<html>no</html>"), Protocol},
		{"no XML", StartTLSXMPP, hello("220 hello\r\n<&"), Protocol},
		{"stream error", StartTLSXMPP, hello(xmppHello + "<stream:error><host-unknown/></stream:error></stream:stream>"), Dialogue},
		{"ends the stream", StartTLSXMPP, hello(xmppHello + "</stream:stream>"), Dialogue},
		{"nothing offered", StartTLSXMPP, hello(xmppHello + "<stream:features/>"), Dialogue},
		{"another namespace", StartTLSXMPP, hello(xmppHello + "<stream:features><starttls/></stream:features>"), Dialogue},
		{"failure", StartTLSXMPP, hello(xmppHello + xmppOffers + "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"), Dialogue},
		{"half the features", StartTLSXMPP, hello(xmppHello + xmppOffers[:40]), TooSlow},
		{"hangs up in the features", StartTLSXMPP, inTurn(hearsBytes(xmppOpens, xmppHello+xmppOffers[:40]), hangsUp), Protocol},
		{"entities", StartTLSXMPP, hello("<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;'>]>" + xmppHello + "<stream:features>&b;</stream:features>"), Protocol},
		{"deeper and deeper", StartTLSXMPP, flood(xmppHello+"<stream:features>", "<x>"), Protocol},
		{"an attribute for ever", StartTLSXMPP, flood(xmppHello+"<stream:features x='", "y"), Protocol},
		{"blanks for ever", StartTLSXMPP, flood(xmppHello, " \n"), Protocol},
	}
}

func TestHostileStartTLS(t *testing.T) {
	t.Parallel()
	for _, tt := range hostileStartTLS() {
		t.Run(tt.by.String()+" "+tt.name, func(t *testing.T) {
			t.Parallel()
			a := attempt(t, tt.kind(t), &World{}, patience(tt.want))
			wantReason(t, &a, tt.want)
			wantSpans(t, &a)
			if silent := tt.want == ResponseTimeout && tt.by != StartTLSPOP3 || tt.want == Reset; a.Answered == silent {
				t.Errorf("answered: %v, want %v", a.Answered, !silent)
			}
			if n := len(a.Detail.Error); n == 0 || n > maxLine {
				t.Errorf("error of %d bytes, want some, at most %d", n, maxLine)
			}
		})
	}
}

// FuzzStartTLS: whatever a target sends, no way to TLS panics or reads on for ever.
func FuzzStartTLS(f *testing.F) {
	for _, s := range []string{"220 x\r\n250-x\r\n250 STARTTLS\r\n220 go\r\n", "* OK\r\na1 OK\r\n", "+OK\r\n+OK\r\n", "220 x\r\n234 go\r\n", ldapAgrees, ldapAgreesBER, "S", mysqlHello(0xffff), xmppHello + xmppOffers + "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"} {
		for by := NoStartTLS + 1; by < numStartTLS; by++ {
			f.Add(uint8(by), []byte(s))
		}
	}
	f.Fuzz(func(t *testing.T, by uint8, says []byte) {
		if by == 0 || by >= uint8(numStartTLS) {
			return
		}
		c := &TCP{Address: "127.0.0.1:1", StartTLS: StartTLS(by)}
		if ps := c.Validate(); ps != nil {
			t.Fatal(ps)
		}
		conn := &deafConn{Reader: bytes.NewReader(says)}
		v := &conversation{c: c, ctx: t.Context(), t: begin(&World{}, "", OnlyIPv4), hide: &redactor{}, conn: conn, left: maxWindow, room: maxWindow, rec: new(record)}
		r, err := (&startTLS{by: StartTLS(by)}).make(v)
		if (r == ReasonNone) != (err == nil) || len(fmt.Sprint(err)) > 3*maxLine {
			t.Errorf("reason %q with error %.100v", r, err)
		}
	})
}

// A deafConn says what is in it and takes whatever is written.
type deafConn struct {
	net.Conn
	io.Reader
}

func (c *deafConn) Read(b []byte) (int, error)  { return c.Reader.Read(b) }
func (c *deafConn) Write(b []byte) (int, error) { return len(b), nil }
func (c *deafConn) LocalAddr() net.Addr         { return &net.TCPAddr{IP: net.IPv6loopback, Port: 1} }

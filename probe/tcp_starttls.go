package probe

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// A StartTLS is a protocol that begins in plain and goes on with TLS. The zero value is none.
type StartTLS uint8

// The protocols.
const (
	NoStartTLS       StartTLS = iota
	StartTLSSMTP              // RFC 3207
	StartTLSIMAP              // RFC 9051, section 6.2.1
	StartTLSPOP3              // RFC 2595, section 4
	StartTLSFTP               // RFC 4217, section 4
	StartTLSLDAP              // RFC 4511, section 4.14
	StartTLSPostgres          // SSLRequest of its frontend/backend protocol
	StartTLSMySQL             // SSLRequest of its client/server protocol
	StartTLSXMPP              // RFC 6120, section 5
	numStartTLS
)

// preludes say how each protocol comes to TLS. One that greets speaks first.
var preludes = [numStartTLS]struct {
	name   string
	greets bool
	speak  func(*conversation) error
}{
	StartTLSSMTP:     {"smtp", true, smtpPrelude},
	StartTLSIMAP:     {"imap", true, imapPrelude},
	StartTLSPOP3:     {"pop3", true, pop3Prelude},
	StartTLSFTP:      {"ftp", true, ftpPrelude},
	StartTLSLDAP:     {"ldap", false, ldapPrelude},
	StartTLSPostgres: {"postgres", false, postgresPrelude},
	StartTLSMySQL:    {"mysql", true, mysqlPrelude},
	StartTLSXMPP:     {"xmpp", false, xmppPrelude},
}

func startTLSNames() []string {
	var names []string
	for s := NoStartTLS + 1; s < numStartTLS; s++ {
		names = append(names, s.String())
	}
	return names
}

// UnmarshalText reads a protocol's name.
func (s *StartTLS) UnmarshalText(text []byte) error {
	i := slices.Index(startTLSNames(), string(text))
	if i < 0 {
		return fmt.Errorf("found %q, wanted %s", clip(string(text), 40), strings.Join(startTLSNames(), ", "))
	}
	*s = StartTLS(i + 1)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (s StartTLS) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String returns the name in the configuration; it is empty for the zero value.
func (s StartTLS) String() string {
	switch {
	case s == NoStartTLS:
		return ""
	case s < numStartTLS:
		return preludes[s].name
	}
	return fmt.Sprintf("starttls(%d)", uint8(s))
}

// A startTLS is the way to TLS in one protocol.
type startTLS struct{ by StartTLS }

// A refusedError is an answer in the protocol that says no.
type refusedError struct{ said string }

func (e *refusedError) Error() string { return "the target " + e.said }

// A garbledError is an answer that is not of the protocol.
type garbledError struct{ said string }

func (e *garbledError) Error() string { return "the target sent " + e.said }

func (s *startTLS) make(v *conversation) (Reason, error) {
	err := preludes[s.by].speak(v)
	if err == nil && len(v.buf) > 0 {
		// What somebody slipped in before TLS must not be taken for what was said in it.
		err = &garbledError{v.quote(v.buf) + " in plain after it had agreed to TLS"}
	}
	if err == nil {
		v.rec.note = "TLS agreed on"
		return ReasonNone, nil
	}
	if _, ok := errors.AsType[*refusedError](err); ok {
		return Dialogue, err
	}
	if _, ok := errors.AsType[*garbledError](err); ok {
		return Protocol, err
	}
	return v.lost(err, Protocol)
}

// A securing is a TLS handshake.
type securing struct{}

func (*securing) make(v *conversation) (Reason, error) {
	if h := v.handshake(); h == nil {
		v.rec.note = "a failure"
		return v.t.a.Reason, v.t.cause
	}
	v.rec.note = "one"
	return ReasonNone, nil
}

// handshake speaks TLS. It returns nil after a failure, which has been noted. What came in plain is forgotten.
func (v *conversation) handshake() *handshake {
	v.buf = v.buf[:0]
	h := v.t.secure(v.ctx, v.conn, v.config)
	v.at = time.Now()
	if h != nil {
		v.t.a.Answered = true
		v.conn, v.tls = h.conn, h
	}
	return h
}

// maxReply is the longest line of a reply that is read.
const maxReply = 4 << 10

// line reads a line, without its end.
func (v *conversation) line() (string, error) {
	for {
		if i := bytes.IndexByte(v.buf, '\n'); i >= 0 {
			v.hear(v.buf[:i+1])
			line := strings.TrimSuffix(string(v.buf[:i]), "\r")
			v.take(i + 1)
			return line, nil
		}
		if len(v.buf) > maxReply {
			return "", &garbledError{fmt.Sprintf("a line of over %s, %s", Size(maxReply), v.quote(v.buf))}
		}
		if err := v.fill(); err != nil {
			return "", err
		}
	}
}

// next reads n bytes.
func (v *conversation) next(n int) ([]byte, error) {
	for len(v.buf) < n {
		if err := v.fill(); err != nil {
			return nil, err
		}
	}
	b := bytes.Clone(v.buf[:n])
	v.take(n)
	return b, nil
}

func (v *conversation) write(s string) error {
	_, err := v.conn.Write([]byte(s))
	v.at = time.Now()
	return err
}

// reply reads a reply of SMTP or FTP: a code, and its lines (RFC 5321, section 4.2.1; RFC 959, section 4.2).
func (v *conversation) reply() (code string, lines []string, err error) {
	for {
		line, err := v.line()
		if err != nil {
			return "", nil, err
		}
		lines = append(lines, line)
		if len(lines) == 1 {
			if !isReplyLine(line) {
				return "", nil, &garbledError{v.quote([]byte(line)) + ", which is no reply with a code"}
			}
			code = line[:3]
		}
		// Within a reply of FTP there may be anything.
		if strings.HasPrefix(line, code) && (len(line) == 3 || line[3] == ' ') {
			return code, lines, nil
		}
	}
}

func isReplyLine(s string) bool {
	if len(s) < 3 || len(s) > 3 && s[3] != ' ' && s[3] != '-' {
		return false
	}
	return s[0] >= '1' && s[0] <= '5' && s[1] >= '0' && s[1] <= '9' && s[2] >= '0' && s[2] <= '9'
}

// wantReply reads a reply that has to have this code.
func (v *conversation) wantReply(code string) ([]string, error) {
	got, lines, err := v.reply()
	if err == nil && got != code {
		err = &refusedError{fmt.Sprintf("answered %s, wanted %s", v.quote([]byte(lines[len(lines)-1])), code)}
	}
	return lines, err
}

func smtpPrelude(v *conversation) error {
	if _, err := v.wantReply("220"); err != nil {
		return err
	}
	if err := v.write("EHLO " + addressLiteral(v.conn) + "\r\n"); err != nil {
		return err
	}
	lines, err := v.wantReply("250")
	if err != nil {
		return err
	}
	offers := func(line string) bool {
		return len(line) > 4 && strings.EqualFold(strings.TrimSpace(line[4:]), "STARTTLS")
	}
	if !slices.ContainsFunc(lines[1:], offers) {
		return &refusedError{"does not offer STARTTLS"}
	}
	if err := v.write("STARTTLS\r\n"); err != nil {
		return err
	}
	_, err = v.wantReply("220")
	return err
}

// addressLiteral is our address as SMTP wants it from who has no name (RFC 5321, section 4.1.3).
func addressLiteral(conn net.Conn) string {
	a, err := netip.ParseAddrPort(conn.LocalAddr().String())
	switch ip := a.Addr().Unmap().WithZone(""); {
	case err != nil:
		return "[127.0.0.1]"
	case ip.Is4():
		return "[" + ip.String() + "]"
	default:
		return "[IPv6:" + ip.String() + "]"
	}
}

func ftpPrelude(v *conversation) error {
	code, lines, err := v.reply()
	for err == nil && code == "120" { // ready in some minutes
		code, lines, err = v.reply()
	}
	switch {
	case err != nil:
		return err
	case code != "220":
		return &refusedError{fmt.Sprintf("answered %s, wanted 220", v.quote([]byte(lines[len(lines)-1])))}
	}
	if err := v.write("AUTH TLS\r\n"); err != nil {
		return err
	}
	_, err = v.wantReply("234")
	return err
}

func pop3Prelude(v *conversation) error {
	if err := v.wantOK(); err != nil {
		return err
	}
	if err := v.write("STLS\r\n"); err != nil {
		return err
	}
	return v.wantOK()
}

// wantOK reads a positive status of POP3.
func (v *conversation) wantOK() error {
	line, err := v.line()
	switch {
	case err != nil:
		return err
	case hasWord(line, "+OK"):
		return nil
	case hasWord(line, "-ERR"):
		return &refusedError{"answered " + v.quote([]byte(line))}
	}
	return &garbledError{v.quote([]byte(line)) + ", which is neither +OK nor -ERR"}
}

// hasWord reports whether a line begins with a word, in whatever case.
func hasWord(line, word string) bool {
	first, _, _ := strings.Cut(line, " ")
	return strings.EqualFold(first, word)
}

func imapPrelude(v *conversation) error {
	line, err := v.line()
	if err != nil {
		return err
	}
	status, untagged := strings.CutPrefix(line, "* ")
	switch {
	case untagged && hasWord(status, "OK"):
	case untagged && (hasWord(status, "BYE") || hasWord(status, "PREAUTH")):
		return &refusedError{"greeted with " + v.quote([]byte(line)) + ", wanted * OK"}
	default:
		return &garbledError{v.quote([]byte(line)) + ", which is no greeting of IMAP"}
	}
	if err := v.write("a1 STARTTLS\r\n"); err != nil {
		return err
	}
	for {
		line, err := v.line()
		status, tagged := strings.CutPrefix(line, "a1 ")
		switch {
		case err != nil:
			return err
		case tagged && hasWord(status, "OK"):
			return nil
		case tagged && (hasWord(status, "NO") || hasWord(status, "BAD")), hasWord(strings.TrimPrefix(line, "* "), "BYE"):
			return &refusedError{"answered " + v.quote([]byte(line))}
		case !strings.HasPrefix(line, "* "):
			return &garbledError{v.quote([]byte(line)) + ", which is no response of IMAP"}
		}
	}
}

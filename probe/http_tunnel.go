package probe

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
)

// hostPort is the host and port of a URL.
func hostPort(u *url.URL) string {
	return net.JoinHostPort(u.Hostname(), strconv.Itoa(int(portOf(u))))
}

// tunnel asks an HTTP proxy for a connection to the host of a URL (RFC 9110, section 9.3.6). It notes failures.
func (x *exchange) tunnel(conn net.Conn, g *gateway, u *url.URL) error {
	to := hostPort(u)
	ask := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: to}, Host: to, Header: http.Header{}}
	ask.Header["User-Agent"] = []string{x.t.w.userAgent()}
	g.authorize(ask.Header, x.hide)
	var buf bytes.Buffer
	err := ask.Write(&buf)
	if err == nil {
		_, err = conn.Write(buf.Bytes())
	}
	head := &headReader{conn: conn, left: maxHeader}
	br := bufio.NewReaderSize(head, 512)
	var resp *http.Response
	if err == nil {
		resp, err = readHead(br, ask)
	}
	switch {
	case err != nil:
		return x.tunnelSilent(g, to, firstOf(head.err, err))
	case resp.StatusCode/100 != 2:
		r := tunnelReason(resp.StatusCode)
		x.proxyFailed(r, fmt.Errorf("the proxy %s does not connect to %s: %s", g.address(), to, clip(resp.Status, 200)))
		return errNoTunnel
	case br.Buffered() > 0:
		x.proxyFailed(Internal, fmt.Errorf("the proxy %s sent %d bytes before anything went through the tunnel", g.address(), br.Buffered()))
		return errNoTunnel
	}
	return nil
}

// tunnelReason is what a proxy's refusal of a tunnel means. What it says of the target is believed if others were seen through
// the same proxy; that it will not serve us is our own affair.
func tunnelReason(code int) Reason {
	switch {
	case code == http.StatusProxyAuthRequired:
		return Secret
	case code == http.StatusGatewayTimeout:
		return Timeout
	case code >= 500:
		return HostUnreachable
	case code >= 400:
		return EgressDenied
	}
	return Internal
}

// tunnelSilent notes that a proxy was reached and does not answer, or not as one. If it is silent or hangs up it may be for want of
// the target; then others must have been seen through it.
func (x *exchange) tunnelSilent(g *gateway, to string, err error) error {
	r := silenceReason(x.ctx, err)
	switch r {
	case ResponseTimeout:
		r = Timeout
	case ReasonNone:
		r = Internal
	}
	x.t.fail(r, fmt.Errorf("ask the proxy %s for %s: %w", g.address(), to, err))
	return errNoTunnel
}

// authorize adds the credentials for the proxy.
func (g *gateway) authorize(h http.Header, hide *redactor) {
	if g.user != "" || g.password != "" {
		h["Proxy-Authorization"] = []string{basicValue(g.user, g.password, hide)}
	}
}

// forwarded looks whether an answer that came in the tunnel's place is the proxy's word and not the target's. It notes that.
// Only a proxy asks for Proxy-Authorization: what a target says of it is not passed on (RFC 9110, section 11.7).
func (x *exchange) forwarded(resp *http.Response) bool {
	r := ReasonNone
	switch {
	case resp.StatusCode == http.StatusProxyAuthRequired && resp.Header.Get("Proxy-Authenticate") != "":
		r = Secret
	case resp.StatusCode == http.StatusGatewayTimeout:
		r = Timeout
	case resp.StatusCode == http.StatusBadGateway, resp.StatusCode == http.StatusServiceUnavailable && resp.Header.Get("X-Squid-Error") != "":
		r = HostUnreachable
	default:
		return false
	}
	x.t.fail(r, fmt.Errorf("the proxy %s answers in the target's place: %s", x.forward.address(), clip(resp.Status, 200)))
	return true
}

// The words of SOCKS (RFC 1928, RFC 1929).
const (
	socksVersion  = 5
	socksNoAuth   = 0
	socksPassword = 2
	socksNone     = 0xff
	socksConnect  = 1
	socksIPv4     = 1
	socksName     = 3
	socksIPv6     = 4
)

// socksReasons are the replies of a proxy (RFC 1928, section 6).
var socksReasons = [...]struct {
	reason Reason
	text   string
}{
	1: {HostUnreachable, "general failure"}, 2: {EgressDenied, "not allowed by its rules"}, 3: {NetworkUnreachable, "network unreachable"},
	4: {HostUnreachable, "host unreachable"}, 5: {Refused, "connection refused"}, 6: {Timeout, "TTL expired"},
	7: {Unsupported, "command not supported"}, 8: {Unsupported, "address type not supported"},
}

// socks asks a SOCKS 5 proxy for a connection to the host of a URL, whose name it resolves. It notes failures.
func (x *exchange) socks(conn net.Conn, g *gateway, u *url.URL) error {
	if err := g.greet(conn); err != nil {
		r := Internal
		if errors.Is(err, errSocksPassword) {
			r = Secret
		}
		x.proxyFailed(r, fmt.Errorf("greet the proxy %s: %w", g.address(), err))
		return errNoTunnel
	}
	_, err := conn.Write(socksRequest(u))
	code := byte(0)
	if err == nil {
		code, err = socksReply(conn)
	}
	switch {
	case err != nil:
		return x.tunnelSilent(g, hostPort(u), err)
	case code == 0:
		return nil
	}
	r, text := Internal, fmt.Sprintf("reply %d", code)
	if int(code) < len(socksReasons) {
		r, text = socksReasons[code].reason, socksReasons[code].text
	}
	x.proxyFailed(r, fmt.Errorf("the proxy %s does not connect to %s: %s", g.address(), hostPort(u), text))
	return errNoTunnel
}

var errSocksPassword = errors.New("it does not take the user and the password")

// greet agrees on who we are.
func (g *gateway) greet(conn net.Conn) error {
	method := byte(socksNoAuth)
	if g.user != "" {
		method = socksPassword
	}
	if len(g.user) > 255 || len(g.password) > 255 {
		return errors.New("the user or the password is longer than 255 bytes")
	}
	var reply [2]byte
	if _, err := conn.Write([]byte{socksVersion, 1, method}); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, reply[:]); err != nil {
		return err
	}
	switch {
	case reply[0] != socksVersion:
		return errors.New("it speaks no SOCKS 5")
	case reply[1] == socksNone:
		return errSocksPassword
	case reply[1] != method:
		return fmt.Errorf("it wants to know us by method %d, which was not offered", reply[1])
	case method == socksNoAuth:
		return nil
	}
	ask := append([]byte{1, byte(len(g.user))}, g.user...)
	ask = append(append(ask, byte(len(g.password))), g.password...)
	if _, err := conn.Write(ask); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, reply[:]); err != nil {
		return err
	}
	if reply[1] != 0 {
		return errSocksPassword
	}
	return nil
}

func socksRequest(u *url.URL) []byte {
	b := []byte{socksVersion, socksConnect, 0}
	host := u.Hostname()
	switch ip, err := netip.ParseAddr(host); {
	case err != nil:
		b = append(append(b, socksName, byte(len(host))), host...) // checked: at most 253 bytes
	case ip.Unmap().Is4():
		b = append(append(b, socksIPv4), ip.Unmap().AsSlice()...)
	default:
		b = append(append(b, socksIPv6), ip.WithZone("").AsSlice()...)
	}
	return binary.BigEndian.AppendUint16(b, portOf(u))
}

// socksReply reads a reply to its end, and not a byte further.
func socksReply(conn net.Conn) (code byte, err error) {
	var b [257]byte
	if _, err := io.ReadFull(conn, b[:4]); err != nil {
		return 0, err
	}
	code = b[1]
	if b[0] != socksVersion {
		return 0, errors.New("the reply is none of SOCKS 5")
	}
	if code != 0 {
		return code, nil // what follows tells nothing
	}
	left := map[byte]int{socksIPv4: 4, socksIPv6: 16}[b[3]]
	if b[3] == socksName {
		if _, err := io.ReadFull(conn, b[:1]); err != nil {
			return 0, err
		}
		left = int(b[0])
	}
	if left == 0 && b[3] != socksName {
		return 0, fmt.Errorf("the reply has an address of the unknown type %d", b[3])
	}
	_, err = io.ReadFull(conn, b[:left+2])
	return code, err
}

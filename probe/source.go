package probe

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// A source is where attempts connect from: an address of the machine, or all that leaves by one of its interfaces. The zero
// value leaves it to the system.
type source struct {
	ip  netip.Addr
	dev string
}

// maxInterface is the longest name of an interface on Linux.
const maxInterface = 15

// parseSource reads an address or the name of an interface.
func parseSource(text string) (source, error) {
	if ip, err := netip.ParseAddr(text); err == nil {
		ip = ip.Unmap()
		if ip.IsUnspecified() || ip.IsMulticast() {
			return source{}, fmt.Errorf("found %s, which is no address of a machine", ip)
		}
		return source{ip: ip}, nil
	}
	if len(text) > maxInterface || strings.ContainsAny(text, "/: \t\n%") || text == "." || text == ".." {
		return source{}, fmt.Errorf("found %q, wanted an address or the name of an interface", clip(text, 80))
	}
	return source{dev: text}, nil
}

// A sourceError is a source that this machine cannot connect from.
type sourceError struct{ err error }

func (e *sourceError) Error() string {
	return "this prober cannot connect from the source: " + e.err.Error()
}
func (e *sourceError) Unwrap() error { return e.err }

// dialer connects from the source.
func (s source) dialer(network string) *net.Dialer {
	d := &net.Dialer{KeepAlive: -1}
	switch {
	case s.dev != "":
		d.Control = bindTo(s.dev)
	case !s.ip.IsValid():
	case strings.HasPrefix(network, "udp"):
		d.LocalAddr = net.UDPAddrFromAddrPort(netip.AddrPortFrom(s.ip, 0))
	default:
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(s.ip, 0))
	}
	return d
}

// explained tells an error that is about the source apart from one about the target.
func (s source) explained(err error) error {
	if call, ok := errors.AsType[*os.SyscallError](err); ok && call.Syscall == "bind" {
		return &sourceError{fmt.Errorf("%s: %w", s.ip, call.Err)}
	}
	return err
}

func (c *Check) checkSource(x *extra) []Problem {
	if c.Source == "" {
		return nil
	}
	s, err := parseSource(c.Source)
	if err != nil {
		return []Problem{{Field: "source", Message: err.Error(), Hint: "write it like 192.0.2.7, 2001:db8::7 or eth1"}}
	}
	x.source = s
	families := c.Kind.Target().Families
	if !s.ip.IsValid() || !slices.ContainsFunc(families, func(f Family) bool { return f != FamilyOf(s.ip) }) {
		return nil
	}
	return []Problem{{
		Field: "source", Message: fmt.Sprintf("found an IPv%d address, and attempts of this check can be over another family", FamilyOf(s.ip)),
		Hint: fmt.Sprintf("give the kind ip: %d, or a source of its family", FamilyOf(s.ip)),
	}}
}

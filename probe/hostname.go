package probe

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

func isIP(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// isHostName reports whether s can be a host name: labels of letters, digits, hyphens and underscores
// (which RFC 952 forbids and names in use have), at most 63 bytes each and 253 in all.
func isHostName(s string) bool {
	s = strings.TrimSuffix(s, ".")
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

// looksLikeIP reports names whose last label is a number: they are misspelt addresses (RFC 3696, section 2).
func looksLikeIP(s string) bool {
	s = strings.TrimSuffix(s, ".")
	_, err := strconv.ParseUint(s[strings.LastIndexByte(s, '.')+1:], 0, 64)
	return err == nil
}

// splitHostPort reads "host:port" or, if standard is not zero, "host". IPv6 addresses with a port stand in
// brackets.
func splitHostPort(address string, standard uint16) (host string, port uint16, err error) {
	bare := strings.TrimSuffix(strings.TrimPrefix(address, "["), "]")
	if standard != 0 && (isIP(bare) || !strings.Contains(address, ":")) {
		return bare, standard, checkHost(bare)
	}
	h, p, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("found %q, wanted host:port", clip(address, 80))
	}
	n, err := strconv.ParseUint(p, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("found the port %q, wanted a number from 1 to 65535", clip(p, 40))
	}
	return h, uint16(n), checkHost(h)
}

func checkHost(host string) error {
	switch {
	case isIP(host):
		return nil
	case host == "":
		return fmt.Errorf("found no host")
	case !isHostName(host):
		return fmt.Errorf("found the host %q, wanted a name or an address", clip(host, 80))
	case looksLikeIP(host):
		return fmt.Errorf("found the host %q, which is neither a name nor a whole address", clip(host, 80))
	}
	return nil
}

package probe

import (
	"crypto/tls"
	"fmt"
)

// VersionTLS is a version of TLS, written 1.0, 1.1, 1.2 or 1.3; its value is that of crypto/tls. The zero value is none
// in particular, and written as nothing.
type VersionTLS uint16

// UnmarshalText reads a version.
func (v *VersionTLS) UnmarshalText(text []byte) error {
	for n := VersionTLS(tls.VersionTLS10); n <= tls.VersionTLS13; n++ {
		if n.String() == string(text) {
			*v = n
			return nil
		}
	}
	return fmt.Errorf("found %q, wanted 1.0, 1.1, 1.2 or 1.3", clip(string(text), 40))
}

// MarshalText writes what UnmarshalText reads.
func (v VersionTLS) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// String writes 1.2 and the like.
func (v VersionTLS) String() string {
	if v == 0 {
		return ""
	}
	return fmt.Sprintf("1.%d", int(v)-tls.VersionTLS10)
}

// prepareVersions sets the versions that are spoken. Old ones, which crypto/tls leaves out unless they are asked for, are
// spoken where the newest to speak is one of them.
func (c *TLS) prepareVersions(ready *tls.Config) []Problem {
	ready.MinVersion, ready.MaxVersion = uint16(c.MinVersion), uint16(c.MaxVersion)
	switch {
	case c.MaxVersion == 0:
	case c.MinVersion > c.MaxVersion:
		return []Problem{{Field: "tls.min_version", Message: fmt.Sprintf("found %s, newer than tls.max_version (%s)", c.MinVersion, c.MaxVersion)}}
	case c.MinVersion == 0:
		ready.MinVersion = min(tls.VersionTLS12, ready.MaxVersion)
	}
	return nil
}

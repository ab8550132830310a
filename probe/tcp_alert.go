package probe

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A TLSAlert is the description of an alert (RFC 8446, section 6). Zero is close_notify, which refuses nothing.
type TLSAlert uint8

// alertNames are those of IANA's registry "TLS Alerts", the historic ones included, in order.
var alertNames = []struct {
	alert TLSAlert
	name  string
}{
	{0, "close_notify"},
	{10, "unexpected_message"},
	{20, "bad_record_mac"},
	{21, "decryption_failed"},
	{22, "record_overflow"},
	{30, "decompression_failure"},
	{40, "handshake_failure"},
	{41, "no_certificate"},
	{42, "bad_certificate"},
	{43, "unsupported_certificate"},
	{44, "certificate_revoked"},
	{45, "certificate_expired"},
	{46, "certificate_unknown"},
	{47, "illegal_parameter"},
	{48, "unknown_ca"},
	{49, "access_denied"},
	{50, "decode_error"},
	{51, "decrypt_error"},
	{60, "export_restriction"},
	{70, "protocol_version"},
	{71, "insufficient_security"},
	{80, "internal_error"},
	{86, "inappropriate_fallback"},
	{90, "user_canceled"},
	{100, "no_renegotiation"},
	{109, "missing_extension"},
	{110, "unsupported_extension"},
	{111, "certificate_unobtainable"},
	{112, "unrecognized_name"},
	{113, "bad_certificate_status_response"},
	{114, "bad_certificate_hash_value"},
	{115, "unknown_psk_identity"},
	{116, "certificate_required"},
	{120, "no_application_protocol"},
	{121, "ech_required"},
}

// UnmarshalText reads a name or a number.
func (a *TLSAlert) UnmarshalText(text []byte) error {
	for _, n := range alertNames {
		if n.name == string(text) {
			*a = n.alert
			return nil
		}
	}
	n, err := strconv.ParseUint(string(text), 10, 8)
	if err != nil {
		var names []string
		for _, n := range alertNames[1:] {
			names = append(names, n.name)
		}
		return fmt.Errorf("found %q, wanted the name or the number of a TLS alert: %s", clip(string(text), 40), strings.Join(names, ", "))
	}
	*a = TLSAlert(n)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (a TLSAlert) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// String returns the name, or the number of an alert that has none.
func (a TLSAlert) String() string {
	for _, n := range alertNames {
		if n.alert == a {
			return n.name
		}
	}
	return strconv.Itoa(int(a))
}

// alertOf is the alert that a peer ended a connection with.
func alertOf(err error) (TLSAlert, bool) {
	op, ok := errors.AsType[*net.OpError](err)
	if !ok || op.Op != "remote error" || op.Err == nil {
		return 0, false
	}
	// The type in it is not exported; its texts are those of an exported one.
	for a := 1; a < 256; a++ {
		if tls.AlertError(a).Error() == op.Err.Error() {
			return TLSAlert(a), true
		}
	}
	return 0, false
}

// A refusal is a TLS handshake that the target has to refuse.
type refusal struct{ alerts []TLSAlert }

func (r *refusal) make(v *conversation) (Reason, error) {
	if h := v.handshake(); h == nil {
		if !r.wants(v, v.t.cause) {
			return v.t.a.Reason, v.t.cause
		}
		v.t.a.Reason, v.t.cause = ReasonNone, nil
		return ReasonNone, nil
	}
	v.said = true
	if v.tls.state.Version < tls.VersionTLS13 {
		return r.accepted(v) // the target's word was the last
	}
	return r.await(v)
}

// wants reports whether a failure is one of the alerts, and notes what it is.
func (r *refusal) wants(v *conversation, err error) bool {
	a, ok := alertOf(err)
	if v.rec.note = "another failure"; ok {
		v.rec.note = "the alert " + a.String()
	}
	return ok && slices.Contains(r.alerts, a)
}

func (r *refusal) accepted(v *conversation) (Reason, error) {
	v.rec.note = "the handshake succeeded"
	return TLSHandshake, errors.New("the handshake succeeded, and the target was to refuse it")
}

// await reads what comes after a handshake of TLS 1.3: only then a target that wants a certificate says so. Who says
// nothing for half of the time is told that we are going, at which one that had accepted goes too.
func (r *refusal) await(v *conversation) (Reason, error) {
	err := v.fillWithin(v.half())
	if errors.Is(err, errQuiet) {
		_ = v.tls.conn.CloseWrite() // it shows in what is read
		err = v.fill()
	}
	v.at = time.Now()
	if err == nil || errors.Is(err, errFull) || silenceReason(v.ctx, err) == Reset {
		return r.accepted(v)
	}
	if r.wants(v, err) {
		return ReasonNone, nil
	}
	return v.lost(err, TLSHandshake)
}

// half is half of the time that is left; an hour if there is no deadline.
func (v *conversation) half() time.Duration {
	if deadline, ok := v.ctx.Deadline(); ok {
		return time.Until(deadline) / 2
	}
	return time.Hour
}

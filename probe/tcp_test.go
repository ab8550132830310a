package probe

import (
	"net"
	"testing"
	"time"
)

func TestTCP(t *testing.T) {
	silent := serve(t, func(net.Conn) {})
	resetting := serve(t, func(c net.Conn) { <-time.After(time.Millisecond); resets(c) })
	tests := []struct {
		name     string
		address  string
		want     Reason
		answered bool
	}{
		{"accepts", silent, ReasonNone, true},
		{"accepts and resets later", resetting, ReasonNone, true},
		{"refuses", closedPort(t), Refused, false},
		{"metadata", "169.254.169.254:80", EgressDenied, false},
		{"link-local", "[fe80::1]:80", EgressDenied, false},
		{"mapped metadata", "[::ffff:169.254.169.254]:80", EgressDenied, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := look(t, &TCP{Address: tt.address})
			wantReason(t, &a, tt.want)
			if a.Answered != tt.answered {
				t.Errorf("answered -want +got:\n- %v\n+ %v", tt.answered, a.Answered)
			}
			wantSpans(t, &a)
		})
	}
}

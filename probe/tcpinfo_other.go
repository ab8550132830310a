//go:build !linux

package probe

import "net"

// retransmits is zero: this system does not tell.
func retransmits(net.Conn) int { return 0 }

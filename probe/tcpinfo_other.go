//go:build !linux

package probe

import "net"

// tcpInfoOf is zero: this system does not tell.
func tcpInfoOf(net.Conn) tcpInfo { return tcpInfo{} }

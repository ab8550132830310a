package probe

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// tcpInfoOf asks the kernel. It is zero for what is no open TCP connection.
func tcpInfoOf(c net.Conn) (t tcpInfo) {
	if _, udp := c.(*net.UDPConn); udp {
		return t
	}
	sc, ok := c.(syscall.Conn)
	if !ok {
		return t
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return t
	}
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			t = tcpInfo{lost: int(info.Total_retrans), pending: info.Unacked > 0}
		}
	})
	return t
}

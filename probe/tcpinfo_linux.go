package probe

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// retransmits returns how many segments of ours the kernel sent again on a TCP connection, SYNs included.
// It is zero for every other connection, and for one that is closed already.
func retransmits(c net.Conn) int {
	if _, udp := c.(*net.UDPConn); udp {
		return 0
	}
	sc, ok := c.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0
	}
	total := 0
	_ = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			total = int(info.Total_retrans)
		}
	})
	return total
}

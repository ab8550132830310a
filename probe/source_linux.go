package probe

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// bindTo lets a socket speak over one interface only. Since Linux 5.7 that takes no privilege.
func bindTo(dev string) func(network, address string, c syscall.RawConn) error {
	return func(_, _ string, c syscall.RawConn) error {
		var failed error
		if err := c.Control(func(fd uintptr) { failed = unix.BindToDevice(int(fd), dev) }); err != nil {
			return err
		}
		if failed != nil {
			return &sourceError{fmt.Errorf("bind to the interface %s: %w", dev, failed)}
		}
		return nil
	}
}

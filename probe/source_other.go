//go:build !linux

package probe

import (
	"errors"
	"syscall"
)

// bindTo is for Linux: elsewhere an interface is no source.
func bindTo(string) func(network, address string, c syscall.RawConn) error {
	return func(string, string, syscall.RawConn) error {
		return &sourceError{errors.New("an interface can be a source on Linux only; name an address")}
	}
}

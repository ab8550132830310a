package probe

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tinyListener returns the address of a listener that never accepts, with the shortest queue there is,
// and a function that fills the queue.
func tinyListener(t *testing.T) (string, func(string)) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	to := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*unix.SockaddrInet4).Port}
	return to.String(), func(address string) {
		for range 8 {
			c, err := net.DialTimeout("tcp4", address, 200*time.Millisecond)
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
		}
		t.Fatal("the queue of a listener took 8 connections, want it full")
	}
}

// full is a listener that takes no more connections: its queue is full, so that SYNs get no answer.
func full(t *testing.T) string {
	t.Helper()
	address, fill := tinyListener(t)
	fill(address)
	return address
}

func TestTCPTimeout(t *testing.T) {
	a := attempt(t, &TCP{Address: full(t)}, &World{}, 500*time.Millisecond)
	wantReason(t, &a, Timeout)
	if a.Answered {
		t.Error("answered, want not answered")
	}
	if got := a.PhaseTime(PhaseConnect); got < 400*time.Millisecond {
		t.Errorf("connect -want +got:\n- about 500ms\n+ %v", got)
	}
}

package probe

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tinyListener returns the address of a listener that never accepts, with the shortest queue there is, and
// its descriptor.
func tinyListener(t *testing.T) (string, int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: name.(*unix.SockaddrInet4).Port}).String(), fd
}

// fill takes all places in the queue of a listener, so that SYNs get no answer any more.
func fill(t *testing.T, address string) {
	t.Helper()
	for range 8 {
		c, err := net.DialTimeout("tcp4", address, 200*time.Millisecond)
		if err != nil {
			return
		}
		t.Cleanup(func() { c.Close() })
	}
	t.Fatal("the queue of a listener took 8 connections, want it full")
}

func TestTCPTimeout(t *testing.T) {
	address, _ := tinyListener(t)
	fill(t, address)
	a := attempt(t, &TCP{Address: address}, &World{}, 500*time.Millisecond)
	wantReason(t, &a, Timeout)
	if a.Answered {
		t.Error("answered, want not answered")
	}
	if got := a.PhaseTime(PhaseConnect); got < 400*time.Millisecond {
		t.Errorf("connect -want +got:\n- about 500ms\n+ %v", got)
	}
}

// TestTCPLost: a SYN that had to be repeated is counted, for the second it took may have been our own.
func TestTCPLost(t *testing.T) {
	address, fd := tinyListener(t)
	fill(t, address)
	time.AfterFunc(300*time.Millisecond, func() {
		for range 8 {
			if c, _, err := unix.Accept(fd); err == nil {
				defer unix.Close(c)
			}
		}
	})
	a := attempt(t, &TCP{Address: address}, &World{}, 20*time.Second)
	wantReason(t, &a, ReasonNone)
	if a.Lost < 1 || a.PhaseTime(PhaseConnect) < time.Second {
		t.Errorf("lost: %d, connect: %v, want at least 1 and 1s", a.Lost, a.PhaseTime(PhaseConnect))
	}
}

package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// isTimeout reports whether an operation was cut off by its deadline. A connection that was closed
// because its context ended counts as well.
func isTimeout(ctx context.Context, err error) bool {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.Is(err, syscall.ETIMEDOUT):
		return true
	case errors.Is(err, net.ErrClosed):
		return ctx.Err() != nil
	}
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// stopped reports whether the prober gave up the attempt, which then says nothing about the target.
func stopped(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }

// isLocalFault reports errors that the prober's own machine makes: descriptors, memory, ports or
// addresses that it has not, and its own firewall.
func isLocalFault(err error) bool {
	for _, e := range [...]syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL,
		syscall.EADDRINUSE, syscall.EAFNOSUPPORT, syscall.EPERM, syscall.EACCES,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// isSource reports that the machine cannot connect from where a check wants to.
func isSource(err error) bool {
	_, is := errors.AsType[*sourceError](err)
	return is
}

// dialReason classifies a failure to connect.
func dialReason(ctx context.Context, err error) Reason {
	switch {
	case stopped(ctx):
		return Stopped
	case isSource(err):
		return Unsupported
	case isTimeout(ctx, err):
		return Timeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ECONNRESET):
		// The handshake was complete and the connection torn down before we could look.
		return Reset
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return EgressDenied
	}
	if _, denied := errors.AsType[*deniedError](err); denied {
		return EgressDenied
	}
	if r := icmpReason(err); r != ReasonNone {
		return r
	}
	return Internal
}

// icmpReason classifies what routers say, and the kernel in their place.
func icmpReason(err error) Reason {
	switch {
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.ENETDOWN):
		return NetworkUnreachable
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EHOSTDOWN), errors.Is(err, syscall.ENOPROTOOPT):
		return HostUnreachable
	}
	return ReasonNone
}

// silenceReason classifies a connection that failed before an answer: torn down, silent, or cut off by a
// router. ReasonNone: none of these, the error is about what was said.
func silenceReason(ctx context.Context, err error) Reason {
	switch {
	case stopped(ctx):
		return Stopped
	case isTimeout(ctx, err):
		return ResponseTimeout
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNABORTED):
		return Reset
	}
	return icmpReason(err)
}

// midAnswerReason classifies an answer that began and did not come to its end. A target that is still
// sending at the deadline has answered and is too slow; an answer cut short breaks its protocol.
func midAnswerReason(ctx context.Context, err error) Reason {
	switch {
	case stopped(ctx):
		return Stopped
	case isTimeout(ctx, err):
		return TooSlow
	}
	return Protocol
}

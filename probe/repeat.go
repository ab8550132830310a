package probe

import (
	"errors"
	"net"
	"os"
	"time"
)

// repeatAfter is when an unanswered UDP query is sent once more.
const repeatAfter = time.Second

// A repeater asks over a connected UDP socket and sends its query once more after repeatAfter of silence.
// It is for one goroutine.
type repeater struct {
	conn     net.Conn
	deadline time.Time // of the whole exchange; zero: none
	query    []byte
	again    time.Time // when to repeat; zero: no more
	lost     int       // queries repeated
}

// send sends a query and keeps a copy for repeating it.
func (r *repeater) send(query []byte) error {
	r.query = append(r.query[:0], query...)
	r.again = time.Now().Add(repeatAfter)
	_, err := r.conn.Write(query)
	return err
}

// read returns the next datagram, whatever it is. After a datagram the repetition is still due: a reply
// that the caller does not take is as good as none.
func (r *repeater) read(b []byte) (int, error) {
	for {
		until := r.deadline
		early := !r.again.IsZero() && (until.IsZero() || r.again.Before(until))
		if early {
			until = r.again
		}
		if err := r.conn.SetReadDeadline(until); err != nil {
			return 0, err
		}
		n, err := r.conn.Read(b)
		if !early || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		r.again = time.Time{}
		r.lost++
		if _, err := r.conn.Write(r.query); err != nil {
			return 0, err
		}
	}
}

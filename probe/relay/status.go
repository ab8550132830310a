package relay

import (
	"context"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const statusTimeout = 2 * time.Second

// Status is the state of a queue, for metrics and for people.
type Status struct {
	Messages   int64         // stored, consumed or not
	Bytes      int64         // they take
	MaxBytes   int64         // they may take
	Pending    int64         // messages not yet consumed
	Oldest     time.Duration // age of the oldest pending message; zero if none is
	Held       int           // results and missed ranges in memory, waiting to be put
	Dropped    []Drop        // by cause and time; old ranges are joined, so the counts add up since the start
	Reopened   int           // times that the queue was reopened after a fault
	Broken     bool          // puts fail; results are held in memory
	Since      time.Time     // when it broke, if Broken
	LastError  string        // the newest fault, also after it is over; empty if there never was one
	SyncAlways bool          // as the server says: every put is synced before it is acknowledged
}

// Status asks the server. What needs a server is zero while the queue is being reopened or is closed.
func (q *Queue) Status() Status {
	st := Status{MaxBytes: q.maxBytes, Dropped: q.drops.all()}
	for _, o := range q.all() {
		st.Held += o.holds()
	}
	s, h := q.state()
	st.Reopened, st.Broken = h.reopened, h.broken
	if h.broken {
		st.Since = h.since
	}
	if h.err != nil {
		st.LastError = h.err.Error()
	}
	if s != nil {
		s.describe(&st)
	}
	return st
}

func (o *Outbox) holds() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.rows
}

// info is what the server says of itself; never nil.
func (s *session) info() *server.JSInfo {
	info, err := s.server.Jsz(&server.JSzOptions{Accounts: true, Streams: true, Consumer: true})
	if err != nil {
		return new(server.JSInfo)
	}
	return info
}

// detail is what the server says of a stream; the zero value if it does not have it.
func (s *session) detail(stream string) server.StreamDetail {
	for _, a := range s.info().AccountDetails {
		for _, d := range a.Streams {
			if d.Name == stream {
				return d
			}
		}
	}
	return server.StreamDetail{}
}

func (s *session) describe(st *Status) {
	st.SyncAlways = s.info().Config.SyncAlways
	d := s.detail(nearStream)
	st.Messages, st.Bytes = int64(d.State.Msgs), int64(d.State.Bytes)
	first := d.State.FirstSeq
	for _, c := range d.Consumer {
		if c.Name == readerName { // an uplink reads ahead with another
			first = max(first, c.AckFloor.Stream+1)
		}
	}
	// By the numbers: the server's own count of what is pending lags behind.
	st.Pending = max(0, int64(d.State.LastSeq+1)-int64(first))
	if st.Pending > 0 {
		st.Oldest = s.age(first)
	}
}

// age is how long ago a message of the near stream was stored; zero if it is gone.
func (s *session) age(seq uint64) time.Duration {
	ctx, cancel := context.WithTimeout(s.ctx, statusTimeout)
	defer cancel()
	stream, err := s.js.Stream(ctx, nearStream)
	if err != nil {
		return 0
	}
	m, err := stream.GetMsg(ctx, seq)
	if err != nil {
		return 0
	}
	return time.Since(m.Time)
}

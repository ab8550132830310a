package relay

import (
	"context"
	"maps"
	"time"
)

// HubStatus is the state of the centre's end, for metrics and for people.
type HubStatus struct {
	Probers   []ProberStatus    // all that were heard of since the start, by region and name
	Lanes     []LaneStatus      // those of Lane's constants; empty while the far queue is being reopened or is closed
	Refused   map[Refusal]int64 // connections of those who did not prove who they are
	Dropped   int64             // messages in the far queue that were of nobody
	Reopened  int               // times that the far queue was reopened after a fault
	Broken    bool              // nothing is taken; probers keep their results
	Since     time.Time         // when it broke, if Broken
	LastError string            // the newest fault, also after it is over; empty if there never was one

	CertificateEnds time.Time // of the certificate that probers see; zero without TLS
	CAEnds          time.Time // of the CA that made it; zero if it was not made here
}

// ProberStatus is what the centre knows of a prober.
type ProberStatus struct {
	Region, Prober  string
	Connections     int               // at this process; always zero with a server elsewhere
	Since           time.Time         // of the oldest connection; zero without one
	Heard           time.Time         // when anything came last; zero if nothing has
	Messages, Bytes int64             // taken since the start
	Refused         map[Refusal]int64 // since the start
}

// LaneStatus is the state of one lane of the far queue.
type LaneStatus struct {
	Lane            Lane
	Messages, Bytes int64         // waiting to be consumed
	MaxBytes        int64         // room
	Oldest          time.Duration // age of the oldest of them; zero if there is none
}

// Status asks the server.
func (h *Hub) Status() HubStatus {
	s, health := h.state()
	st := HubStatus{Reopened: health.reopened, Broken: health.broken}
	if health.broken {
		st.Since = health.since
	}
	if health.err != nil {
		st.LastError = health.err.Error()
	}
	connections := make(map[Identity]ProberStatus)
	for _, c := range h.present() {
		p := connections[c.id]
		p.Connections++
		if p.Since.IsZero() || c.since.Before(p.Since) {
			p.Since = c.since
		}
		connections[c.id] = p
	}
	for _, p := range h.peers.all() {
		st.Probers = append(st.Probers, p.describe(connections[p.id]))
	}
	if h.gate != nil {
		st.Refused = h.gate.turnedAway()
	}
	for _, d := range h.drops.all() {
		st.Dropped += d.Count
	}
	st.CertificateEnds, st.CAEnds = h.certs.ends()
	if s != nil {
		st.Lanes = s.lanes()
	}
	return st
}

// present returns the connections there are; none with a server elsewhere.
func (h *Hub) present() []connection {
	if h.gate == nil {
		return nil
	}
	return h.gate.present()
}

func (p *peer) describe(st ProberStatus) ProberStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	st.Region, st.Prober = p.id.Region, p.id.Prober
	st.Heard, st.Messages, st.Bytes, st.Refused = p.heard, p.stored, p.storedBytes, maps.Clone(p.refused)
	return st
}

// turnedAway counts the connections of those who are nobody.
func (g *gate) turnedAway() map[Refusal]int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.refused)
}

// lanes asks for the state of each lane.
func (s *session) lanes() (all []LaneStatus) {
	ctx, cancel := context.WithTimeout(s.ctx, statusTimeout)
	defer cancel()
	for _, l := range lanes() {
		stream, err := s.js.Stream(ctx, laneStream(l))
		if err != nil {
			return nil
		}
		info := stream.CachedInfo()
		st := LaneStatus{Lane: l, Messages: int64(info.State.Msgs), Bytes: int64(info.State.Bytes), MaxBytes: info.Config.MaxBytes}
		if st.Messages > 0 {
			st.Oldest = time.Since(info.State.FirstTime)
		}
		all = append(all, st)
	}
	return all
}

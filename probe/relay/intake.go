package relay

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/gaikei/gaikei/probe/wire"
)

const centreGroup = "centre" // shares what probers send among the processes of the centre

// Answers begin with one of these; what was refused goes on with why.
const (
	answerTaken   = '+'
	answerRefused = '-'
)

// serve calls handle with what comes on a subject until ctx ends. Handle must return at once: it is called for one
// message after the other.
func (h *Hub) serve(ctx context.Context, subject string, handle func(*session, *nats.Msg)) error {
	return h.subscribe(ctx, handle, func(s *session, handle nats.MsgHandler) (*nats.Subscription, error) {
		return s.conn.QueueSubscribe(subject, centreGroup, handle)
	})
}

// subscribe calls handle for what a subscription gives, over sessions, until ctx ends.
func (h *Hub) subscribe(ctx context.Context, handle func(*session, *nats.Msg), to func(*session, nats.MsgHandler) (*nats.Subscription, error)) error {
	for {
		s, err := h.await(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		sub, err := to(s, func(m *nats.Msg) { handle(s, m) })
		if err != nil {
			h.fail(s, fmt.Errorf("subscribe: %w", err))
		}
		select {
		case <-s.ctx.Done():
		case <-ctx.Done():
			if sub != nil {
				_ = sub.Unsubscribe() // fails when the connection has ended already
			}
			return nil
		}
	}
}

// intake puts a prober's message into its lane, and answers when it is stored there.
func (h *Hub) intake(s *session, m *nats.Msg) {
	id, lane, err := fromLaneSubject(m.Subject)
	if err != nil {
		h.log.Debug("message of nobody is dropped", "error", err)
		return
	}
	p, size := h.peers.of(id), len(m.Data)
	p.hear()
	if why := h.examine(p, lane, size); why != "" {
		h.refuse(p, m, why)
		return
	}
	future, err := s.js.PublishMsgAsync(&nats.Msg{Subject: farSubject + string(lane) + "." + tail(id.Region, id.Prober), Data: m.Data},
		jetstream.WithExpectStream(laneStream(lane)))
	if err != nil {
		h.peers.give(p, size)
		h.refuse(p, m, RefusedFailed)
		return
	}
	go h.settle(s, p, m, future)
}

// examine says why a message is not taken, or nothing, and then room for it is reserved.
func (h *Hub) examine(p *peer, lane Lane, size int) Refusal {
	most := wire.MaxMessage
	if lane == Evidence {
		most = evidenceMax
	}
	switch {
	case h.isBroken():
		return RefusedFailed // at once: what a broken queue is given it never answers
	case size == 0:
		return RefusedEmpty
	case size > most:
		return RefusedTooBig
	case !allow(p.messages, 1) || !allow(p.bytes, size):
		return RefusedTooFast
	case !h.peers.take(p, size):
		return RefusedBusy
	}
	return ""
}

// settle waits until a message is stored or not, and answers.
func (h *Hub) settle(s *session, p *peer, m *nats.Msg, f jetstream.PubAckFuture) {
	size := len(m.Data)
	defer h.peers.give(p, size)
	select {
	case <-f.Ok():
		p.count(size)
		_ = m.Respond([]byte{answerTaken}) // nobody may be waiting
	case err := <-f.Err():
		if full(err) {
			h.refuse(p, m, RefusedFull)
			return
		}
		if s.server != nil { // one elsewhere is not ours to repair: it may be choosing another leader
			h.fail(s, fmt.Errorf("put a message of %d bytes to %s: %w", size, m.Subject, err))
		}
		h.refuse(p, m, RefusedFailed)
	case <-s.ctx.Done():
	}
}

// full reports whether a lane refused for want of room. The server has one code for all that it does not store, so it
// is told by what it says.
func full(err error) bool {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return false
	}
	switch api.Description {
	case "maximum bytes exceeded", "maximum messages exceeded", "maximum messages per subject exceeded":
		return true
	}
	return false
}

func (h *Hub) refuse(p *peer, m *nats.Msg, why Refusal) {
	if p.refuse(h.log, why, len(m.Data)) && h.gate != nil {
		h.gate.ban(p.id)
	}
	_ = m.Respond(append([]byte{answerRefused}, why...)) // nobody may be waiting
}

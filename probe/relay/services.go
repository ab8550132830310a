package relay

import (
	"context"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
)

const servedAtOnce = 32 // requests in hand

// ServePlans answers the probers' requests for their region's plan with what f returns: at most 300 KiB; nil says that
// there is no answer. F is called for many requests at once, and may take some seconds. ServePlans blocks until ctx ends
// and then returns nil; after Close it returns ErrClosed. Several processes at one server elsewhere share the requests.
func (h *Hub) ServePlans(ctx context.Context, f func(ctx context.Context, region string, request []byte) []byte) error {
	return h.answer(ctx, planSubject, func(ctx context.Context, id Identity, request []byte) []byte {
		return f(ctx, id.Region, request)
	})
}

// ServeBeats answers the probers' heartbeats, as ServePlans does. The region and the prober are as the prober has
// proved, whatever the beat says.
func (h *Hub) ServeBeats(ctx context.Context, f func(ctx context.Context, region, prober string, beat []byte) []byte) error {
	return h.answer(ctx, beatSubject, func(ctx context.Context, id Identity, beat []byte) []byte {
		return f(ctx, id.Region, id.Prober, beat)
	})
}

// HearBeats gives f every heartbeat, also those that another process at a server elsewhere answers. It is called for one
// at a time and must not wait. HearBeats blocks as ServeBeats does.
func (h *Hub) HearBeats(ctx context.Context, f func(region, prober string, beat []byte)) error {
	handle := func(_ *session, m *nats.Msg) {
		region, prober, err := fromSubject(beatSubject, m.Subject)
		if err == nil && len(m.Data) <= maxRequest {
			f(region, prober, m.Data)
		}
	}
	return h.subscribe(ctx, handle, func(s *session, handle nats.MsgHandler) (*nats.Subscription, error) {
		return s.conn.Subscribe(beatSubject+"*.*", handle)
	})
}

// answer serves the requests on a prefix.
func (h *Hub) answer(ctx context.Context, prefix string, f func(context.Context, Identity, []byte) []byte) error {
	room := make(chan struct{}, servedAtOnce)
	defer func() {
		for range servedAtOnce { // those in hand end with ctx
			room <- struct{}{}
		}
	}()
	return h.serve(ctx, prefix+"*.*", func(_ *session, m *nats.Msg) {
		region, prober, err := fromSubject(prefix, m.Subject)
		if err != nil {
			h.log.Debug("request of nobody is dropped", "error", err)
			return
		}
		p := h.peers.of(Identity{Region: region, Prober: prober})
		p.hear()
		switch {
		case len(m.Data) > maxRequest:
			h.refuse(p, m, RefusedTooBig)
			return
		case !allow(p.requests, 1):
			h.refuse(p, m, RefusedTooFast)
			return
		}
		select {
		case room <- struct{}{}:
		default:
			h.refuse(p, m, RefusedUnanswered)
			return
		}
		go func() {
			defer func() { <-room }()
			h.reply(ctx, p, m, f)
		}()
	})
}

// reply answers one request.
func (h *Hub) reply(ctx context.Context, p *peer, m *nats.Msg, f func(context.Context, Identity, []byte) []byte) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	a := f(ctx, p.id, m.Data)
	switch {
	case a == nil:
		h.refuse(p, m, RefusedUnanswered)
	case len(a) > maxAnswer:
		h.log.Error(fmt.Sprintf("an answer to a request for %s is too long to be sent", strings.Trim(m.Subject, ".")), "bytes", len(a), "most", maxAnswer)
		h.refuse(p, m, RefusedUnanswered)
	default:
		_ = m.Respond(append([]byte{answerTaken}, a...)) // nobody may be waiting
	}
}

//go:build chaos

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
)

// intrude tries with one prober's key what only another prober, or the centre, may do. Whatever answers is a breach; what has
// an effect and no answer shows in the timelines.
func (s *arena) intrude(ctx context.Context, random *rand.Rand) error {
	n := random.IntN(len(s.probers))
	evil, honest := s.probers[n], s.probers[(n+1+random.IntN(len(s.probers)-1))%len(s.probers)]
	forged, err := s.forged(honest)
	if err != nil {
		return err
	}
	conn, err := s.dial(evil.name + ".creds")
	if err != nil {
		return errNotNow
	}
	defer conn.Close()
	id := honest.region + "." + honest.prober
	var breaches []error
	for subject, data := range map[string][]byte{
		"gaikei.result." + id + ".live": forged, "gaikei.result." + id + ".late": forged, "gaikei.far.live." + id: forged, "gaikei.plan." + id: nil,
		"$JS.API.STREAM.NAMES": nil, "$JS.API.STREAM.PURGE.FAR_LIVE": nil, "$JS.API.CONSUMER.DELETE.FAR_LIVE.reader": nil,
	} {
		limited, cancel := context.WithTimeout(ctx, time.Second)
		m, err := conn.RequestWithContext(limited, subject, data)
		cancel()
		if err == nil {
			breaches = append(breaches, fmt.Errorf("confined: %s asked %s and was answered %.60q", evil.name, subject, m.Data))
		}
	}
	aimed(conn, evil, id, forged)
	return errors.Join(breaches...)
}

// aimed has what a prober may ask answered to somebody else, with and without a result in it.
func aimed(conn *nats.Conn, evil *proberNode, id string, forged []byte) {
	own := evil.region + "." + evil.prober
	_ = conn.PublishRequest("gaikei.plan."+own, "gaikei.result."+id+".live", nil)
	_ = conn.PublishRequest("gaikei.beat."+own, "gaikei.result."+id+".live", forged)
	_ = conn.FlushTimeout(5 * time.Second) // the server may have been killed
}

// forged is a message of a prober's last results, each the opposite of what it said.
func (s *arena) forged(p *proberNode) ([]byte, error) {
	puts, err := readJournal(s.journal + "-" + p.name)
	if err != nil {
		return nil, err
	}
	var lies probe.Batch
	for _, x := range puts[max(0, len(puts)-5):] {
		for _, r := range x.batch.Results {
			r.Outcome, r.Reason, r.Latency = probe.Down, probe.Status, probe.NoLatency
			lies.Results = append(lies.Results, r)
		}
	}
	messages, err := wire.Marshal(&lies)
	if err != nil {
		return nil, err
	}
	if len(messages) == 0 {
		return nil, errNotNow
	}
	return messages[0], nil
}

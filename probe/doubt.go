package probe

import (
	"fmt"
	"time"
)

// doubted says why a success that nobody vouched for has no verdict.
func (a *Attempt) doubted() string {
	const ours = ", and that may have been in our own network: the latency may not be the target's"
	took := a.Latency.Round(time.Millisecond)
	switch {
	case a.Lost == 1:
		return "answered, but a packet was lost and sent again" + ours
	case a.Lost > 0:
		return fmt.Sprintf("answered, but %d packets were lost and sent again%s", a.Lost, ours)
	case a.doubt() == doubtLost:
		return fmt.Sprintf("answered, but connecting took over %v, as it does when its first packet is lost%s", retransmitted, ours)
	}
	return fmt.Sprintf("answered, but only after %v, in which our own network may have been dead: the latency may not be the target's", took)
}

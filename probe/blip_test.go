package probe

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/gaikei/gaikei/internal/bubble"
)

// A blip is a time in which the prober's own network is dead: every packet is lost, in both directions.
type blip struct{ from, to time.Time }

func (b blip) alive(t time.Time) bool { return t.Before(b.from) || !t.Before(b.to) }

// A site is a simulated target, with the habits of Linux: SYNs repeated after 1, 2, 4 … seconds, segments after
// 200, 400, 800 … ms, queries over UDP once after a second.
type site struct {
	net    *blip
	rtt    time.Duration
	think  time.Duration // between request and answer
	hidden *atomic.Int64 // counts lost answers, which the prober cannot know of
}

// deliver sends a packet again and again until it, and the word that it came, both cross. It returns how often
// it was lost; ok is false if the deadline came first.
func (s *site) deliver(ctx context.Context, repeat []time.Duration) (lost int, ok bool) {
	for _, wait := range repeat {
		sent := time.Now()
		if s.net.alive(sent) && s.net.alive(sent.Add(s.rtt)) {
			return lost, pause(ctx, s.rtt)
		}
		if !pause(ctx, wait) {
			return lost, false
		}
		lost++
	}
	return lost, false
}

var (
	synTimes     = []time.Duration{1e9, 2e9, 4e9, 8e9, 16e9}
	segmentTimes = []time.Duration{2e8, 4e8, 8e8, 16e8, 32e8, 64e8, 128e8}
)

// tcp connects, asks, and waits for the answer.
func (s *site) tcp(ctx context.Context) Attempt {
	lost, ok := s.deliver(ctx, synTimes)
	if !ok {
		return Attempt{Reason: Timeout, Lost: lost}
	}
	again, ok := s.deliver(ctx, segmentTimes)
	lost += again
	if !ok || !pause(ctx, s.think) {
		return Attempt{Reason: ResponseTimeout, Lost: lost, Pending: !ok}
	}
	again, ok = s.deliver(ctx, segmentTimes)
	s.hidden.Add(int64(again))
	if !ok {
		return Attempt{Reason: ResponseTimeout, Lost: lost}
	}
	return Attempt{Answered: true, Lost: lost}
}

// udp asks, and once more after a second.
func (s *site) udp(ctx context.Context) Attempt {
	a := Attempt{Reason: ResponseTimeout, Datagram: true}
	for range 2 {
		sent := time.Now()
		if s.net.alive(sent) && s.net.alive(sent.Add(s.rtt+s.think)) {
			if pause(ctx, s.rtt+s.think) {
				a.Reason, a.Answered = ReasonNone, true
			}
			return a
		}
		if !pause(ctx, time.Second) {
			return a
		}
		a.Lost = 1
	}
	a.Lost = 1
	<-ctx.Done()
	return a
}

// down connects over an interface that is down while the network is dead, which is told at once.
func (s *site) down(ctx context.Context) Attempt {
	if !s.net.alive(time.Now()) {
		return Attempt{Reason: NetworkUnreachable}
	}
	return s.tcp(ctx)
}

// A scene is one probe and one blip.
type scene struct {
	kind    string // "tcp", "udp", "down"
	think   time.Duration
	timeout time.Duration
	begins  time.Duration // of the blip, after the probe begins; negative: before
	lasts   time.Duration
	busy    bool // other checks look ten times a second
}

const sceneRTT = 20 * time.Millisecond

// play runs a scene in a region with two controls. hidden counts answers that were lost on their way.
func (sc scene) play(t *testing.T) (r Result, ev *Evidence, hidden int64) {
	bubble.Test(t, func(t *testing.T) {
		start := time.Now().Add(10 * time.Second)
		net := &blip{from: start.Add(sc.begins), to: start.Add(sc.begins + sc.lasts)}
		kind := func(address string, think time.Duration, hidden *atomic.Int64) Kind {
			s := &site{net: net, rtt: sceneRTT, think: think, hidden: hidden}
			do := map[string]func(context.Context) Attempt{"tcp": s.tcp, "udp": s.udp, "down": s.down}[sc.kind]
			return &fake{target: host(address), do: do}
		}
		var ignored, answers atomic.Int64
		c := NewControls(ControlOptions{Targets: []Kind{kind("192.0.2.1", 0, &ignored), kind("192.0.2.2", 0, &ignored)}})
		l := NewLooker(nil, c, "here")
		ctx, cancel := context.WithCancel(t.Context())
		for i := range 20 {
			if !sc.busy {
				break
			}
			other := kind(fmt.Sprintf("198.51.100.%d", i+1), 0, &ignored)
			go func() {
				for pause(ctx, time.Duration(i)*100*time.Millisecond); ctx.Err() == nil; pause(ctx, 2*time.Second) {
					lookNow(ctx, l, checkOf(other, 2*time.Second))
				}
			}()
		}
		time.Sleep(time.Until(start))
		r, ev = lookNow(ctx, l, checkOf(kind("203.0.113.1", sc.think, &answers), sc.timeout))
		cancel()
		time.Sleep(15 * time.Second) // let everything end
		hidden = answers.Load()
	})
	return r, ev, hidden
}

// truth is the latency that the probe has when nothing is lost.
func (sc scene) truth() time.Duration {
	if sc.kind == "udp" {
		return sceneRTT + sc.think
	}
	return 3*sceneRTT + sc.think
}

// TestBlips: a blip of the prober's own network is never booked to a target, neither as a failure nor as a
// latency. Where there is a verdict all the same it is up, with the latency that the target had.
func TestBlips(t *testing.T) {
	const ms = time.Millisecond
	const open = "inconclusive{no_vouch}"
	slow := 1500 * ms // answers within 2 s, so that a blip fits within the probe
	rows := []struct {
		place  string
		think  time.Duration
		begins time.Duration
		lasts  time.Duration
		want   map[string]string // by kind and time-out
	}{
		{"before", 0, -700 * ms, 500 * ms, map[string]string{"tcp2": "up", "tcp10": "up", "udp2": "up", "udp10": "up", "down2": "up", "down10": "up"}},
		{"before", 0, -3200 * ms, 3000 * ms, map[string]string{"tcp2": "up", "tcp10": "up", "udp2": "up", "udp10": "up", "down2": "up", "down10": "up"}},
		{"across the start", 0, -200 * ms, 500 * ms, map[string]string{"tcp2": open, "tcp10": open, "udp2": open, "udp10": open, "down2": open, "down10": open}},
		{"ending as it starts", 0, -499 * ms, 500 * ms, map[string]string{"tcp2": open, "tcp10": open, "udp2": open, "udp10": open, "down2": open, "down10": open}},
		{"across the start", 0, -200 * ms, 3000 * ms, map[string]string{"tcp2": open, "tcp10": open, "udp2": open, "udp10": open, "down2": open, "down10": open}},
		{"from the start to just after the second SYN", 0, -1900 * ms, 3000 * ms, map[string]string{"tcp2": open, "tcp10": open, "udp2": open, "udp10": open, "down2": open, "down10": open}},
		{"within the wait", slow, 200 * ms, 500 * ms, map[string]string{"tcp2": "up", "tcp10": "up", "down2": "up", "down10": "up"}},
		{"within the wait, over the first round", slow, 800 * ms, 500 * ms, map[string]string{"tcp2": open, "tcp10": open, "down2": open, "down10": open}},
		{"within the wait, to the end", slow, 200 * ms, 3000 * ms, map[string]string{"tcp2": open, "tcp10": open, "down2": open, "down10": open}},
		{"across the end", slow, 1300 * ms, 3000 * ms, map[string]string{"tcp2": open, "tcp10": open, "down2": open, "down10": open}},
		{"late in a long wait", 6 * time.Second, 4500 * ms, 3000 * ms, map[string]string{"tcp10": open, "down10": open}},
		{"after it", 0, 100 * ms, 500 * ms, map[string]string{"tcp2": "up", "tcp10": "up", "udp2": "up", "udp10": "up", "down2": "up", "down10": "up"}},
		{"after it", 0, 100 * ms, 3000 * ms, map[string]string{"tcp2": "up", "tcp10": "up", "udp2": "up", "udp10": "up", "down2": "up", "down10": "up"}},
	}
	for _, r := range rows {
		for key, want := range r.want {
			var sc scene
			var seconds int
			if _, err := fmt.Sscanf(key[len(key)-2:], "%d", &seconds); err != nil {
				fmt.Sscanf(key[len(key)-1:], "%d", &seconds)
			}
			sc = scene{think: r.think, begins: r.begins, lasts: r.lasts, timeout: time.Duration(seconds) * time.Second}
			sc.kind = key[:len(key)-len(fmt.Sprint(seconds))]
			t.Run(fmt.Sprintf("%s/%v/%s", r.place, r.lasts, key), func(t *testing.T) {
				got, ev, _ := sc.play(t)
				text := verdictText(Verdict{Outcome: got.Outcome, Reason: got.Reason})
				if text != want {
					t.Errorf("got %s, suspected %q, want %s", text, ev.Suspected, want)
				}
				if got.Outcome == Up && ev.Latency != sc.truth() {
					t.Errorf("latency %v, the target's was %v", ev.Latency, sc.truth())
				}
			})
		}
	}
}

// TestBlipsFound holds scenes that a rule failed once.
func TestBlipsFound(t *testing.T) {
	const ms = time.Millisecond
	for name, sc := range map[string]scene{
		"a blip from the first SYN to the second, others see right after": {kind: "tcp", timeout: 2 * time.Second, lasts: 1001 * ms, busy: true},
		"an interface comes back a moment after the failure":              {kind: "down", timeout: 2 * time.Second, begins: -3820 * ms, lasts: 4000 * ms, busy: true},
		"over before a short time-out is":                                 {kind: "tcp", timeout: 600 * ms, begins: -100 * ms, lasts: 500 * ms},
		"the same, of a query":                                            {kind: "udp", timeout: 900 * ms, begins: -100 * ms, lasts: 500 * ms},
		"the time is up before a segment is sent for the fourth time":     {kind: "tcp", timeout: 1400 * ms, begins: 21 * ms, lasts: 600 * ms},
		"the time is up as the SYN is sent again":                         {kind: "tcp", timeout: time.Second, lasts: 500 * ms},
		"a lost SYN uses up the time of a slow answer":                    {kind: "tcp", think: 1500 * ms, timeout: 2 * time.Second, lasts: 500 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			got, ev, _ := sc.play(t)
			if got.Outcome != Inconclusive {
				t.Errorf("got %v{%v}, suspected %q, want inconclusive", got.Outcome, got.Reason, ev.Suspected)
			}
		})
	}
}

// TestAnyBlip: the same for blips at any instant, of half a second and more, with other checks about or not, and for
// any time-out. Left out is what no prober can know: an answer lost in a blip of under two seconds, whose repetition is
// all that comes, and a datagram's that takes so long that the query's repetition cannot be answered in time.
func TestAnyBlip(t *testing.T) {
	outcomes := map[Outcome]int{}
	rapid.Check(t, func(rt *rapid.T) {
		sc := scene{
			kind:    rapid.SampledFrom([]string{"tcp", "udp", "down"}).Draw(rt, "kind"),
			think:   time.Duration(rapid.SampledFrom([]int{0, 0, 100, 300, 700, 1500, 5000}).Draw(rt, "think")) * time.Millisecond,
			timeout: time.Duration(rapid.SampledFrom([]int{40, 300, 600, 900, 1000, 1010, 1300, 1400, 1500, 2000, 3000, 10000}).Draw(rt, "timeout")) * time.Millisecond,
			begins:  time.Duration(rapid.IntRange(-4000, 7000).Draw(rt, "begins")) * time.Millisecond,
			lasts:   time.Duration(rapid.IntRange(500, 4000).Draw(rt, "lasts")) * time.Millisecond,
			busy:    rapid.Bool().Draw(rt, "busy"),
		}
		if sc.truth() >= sc.timeout || sc.kind == "udp" && sc.truth() > 400*time.Millisecond {
			return
		}
		r, ev, hidden := sc.play(t)
		outcomes[r.Outcome]++
		if hidden > 0 && sc.lasts < 2200*time.Millisecond {
			return
		}
		if r.Outcome != Up && r.Outcome != Inconclusive {
			rt.Fatalf("%+v: %v{%v}", sc, r.Outcome, r.Reason)
		}
		if r.Outcome == Up && ev.Latency != sc.truth() {
			rt.Fatalf("%+v: latency %v, the target's was %v", sc, ev.Latency, sc.truth())
		}
	})
	t.Log(outcomes)
	if outcomes[Up] == 0 || outcomes[Inconclusive] == 0 {
		t.Errorf("the scenes came only to %v", outcomes)
	}
}

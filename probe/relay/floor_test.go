package relay

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"pgregory.net/rapid"
)

// Whatever is lost on its way and comes later, in whatever order batches are taken: what is up to the floor was taken, all that
// was taken is acknowledged or up to it, and in the end it is at the end.
func TestFloorIsNeverTooHigh(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f floor
		f.reset(uint64(rapid.IntRange(0, 3).Draw(t, "reset")))
		next := f.through + 1
		taken, acknowledged := map[uint64]bool{}, map[uint64]bool{}
		var lost []uint64
		type batch struct {
			seqs   []uint64
			inTurn bool
		}
		var out []batch
		finish := func(i int) {
			b := out[i]
			out = append(out[:i], out[i+1:]...)
			for _, seq := range b.seqs {
				taken[seq] = true
			}
			through, _, holed := f.take(b.seqs)
			if !b.inTurn || holed {
				for _, seq := range b.seqs {
					acknowledged[seq] = true
				}
			}
			for seq := through; seq >= 1 && !taken[seq] && through > 3; seq-- {
				t.Fatalf("the floor is %d, and %d was not taken", through, seq)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"fetch": func(t *rapid.T) {
				var b batch
				for range rapid.IntRange(1, 4).Draw(t, "messages") {
					switch {
					case len(lost) > 0 && rapid.Bool().Draw(t, "again"):
						b.seqs, lost = append(b.seqs, lost[0]), lost[1:]
						continue
					case rapid.IntRange(0, 9).Draw(t, "luck") == 0:
						lost = append(lost, next)
					default:
						b.seqs = append(b.seqs, next)
					}
					next++
				}
				if len(b.seqs) > 0 {
					b.inTurn = f.expect(b.seqs)
					out = append(out, b)
				}
			},
			"finish": func(t *rapid.T) {
				if len(out) > 0 {
					finish(rapid.IntRange(0, len(out)-1).Draw(t, "which"))
				}
			},
		})
		if len(lost) > 0 {
			out = append(out, batch{lost, f.expect(lost)})
		}
		for len(out) > 0 {
			finish(0)
		}
		for seq := range taken {
			if seq > f.through && !acknowledged[seq] {
				t.Fatalf("%d was taken, and is neither acknowledged nor up to the floor %d", seq, f.through)
			}
		}
		if last := max(f.last, f.through); f.through != last {
			t.Fatalf("everything is taken, and the floor is %d, want %d", f.through, last)
		}
	})
}

// What the server has no longer is a hole until the server says so.
func TestFloorTakesTheServersWord(t *testing.T) {
	var f floor
	f.reset(0)
	if f.expect([]uint64{1, 2}); f.expect([]uint64{5, 6}) {
		t.Error("5 is said to follow 2")
	}
	if through, more, holed := f.take([]uint64{5, 6}); through != 0 || more != 0 || !holed {
		t.Errorf("got %d, %d, %v, want nothing before a hole", through, more, holed)
	}
	if through, more, holed := f.take([]uint64{1, 2}); through != 2 || more != 2 || !holed {
		t.Errorf("got %d, %d, %v, want 2 messages before a hole", through, more, holed)
	}
	f.raise(4)
	if through, _, holed := f.take(nil); through != 6 || holed {
		t.Errorf("got %d, %v, want 6 and no hole", through, holed)
	}
	if !f.expect([]uint64{7}) {
		t.Error("7 is said not to follow 6")
	}
}

// A message that was sent and did not arrive is still there when those behind it were taken and removed.
func TestLostOnTheWay(t *testing.T) {
	c := openHub(t, HubOptions{})
	r := connect(t, c.enrol(t, "tokyo", "p"))
	stop := run(t, func(ctx context.Context) error { return c.Consume(ctx, Live, c.live.take) })
	r.isUp(t)
	s, err := c.current()
	if err != nil {
		t.Fatal(err)
	}
	reader, err := s.js.Consumer(t.Context(), laneStream(Live), readerName)
	if err != nil {
		t.Fatal(err)
	}
	var stolen jetstream.Msg
	sent := 0
	for stolen == nil {
		r.put(t, sent, sent+20)
		sent += 20
		round, err := reader.Fetch(1, jetstream.FetchMaxWait(time.Second))
		if err != nil {
			t.Fatal(err)
		}
		stolen = <-round.Messages()
	}
	r.put(t, sent, sent+100)
	sent += 100
	until(t, "all but one are taken", func() bool { return len(c.live.got())+len(c.late.got()) >= sent-1 })
	meta, err := stolen.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	stream, err := s.js.Stream(t.Context(), laneStream(Live))
	if err != nil {
		t.Fatal(err)
	}
	until(t, "what was taken is removed", func() bool {
		info, err := stream.Info(t.Context())
		return err == nil && info.State.Msgs == 1 && info.State.FirstSeq == meta.Sequence.Stream
	})
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	run(t, func(ctx context.Context) error { return c.Consume(ctx, Live, c.live.take) })
	until(t, "the lost one is taken", func() bool { return len(c.live.got()) == sent })
	until(t, "nothing is left", func() bool {
		info, err := stream.Info(t.Context())
		return err == nil && info.State.Msgs == 0
	})
}

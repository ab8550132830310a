package relay

import (
	"context"
	"testing"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/probe/wire"
)

// BenchmarkPut puts messages of 100 results, each synced to disk.
func BenchmarkPut(b *testing.B) {
	q, err := Open(b.Context(), Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	msg := hundred(b)
	subject := subjectOf(resultSubject, "tokyo", "p")
	for b.Loop() {
		if err := q.put(b.Context(), subject, msg); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkConsume reads them.
func BenchmarkConsume(b *testing.B) {
	q, err := Open(b.Context(), Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	msg := hundred(b)
	for range b.N {
		if err := q.put(b.Context(), subjectOf(resultSubject, "tokyo", "p"), msg); err != nil {
			b.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	n := 0
	b.ResetTimer()
	err = q.Consume(ctx, func(_ context.Context, ms []Message) error {
		if n += len(ms); n >= b.N {
			cancel()
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkResult is what the prober pays for each result.
func BenchmarkResult(b *testing.B) {
	q, err := Open(b.Context(), Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer q.Close()
	o := q.Outbox("tokyo", "p")
	r := result(1)
	b.ReportAllocs()
	for b.Loop() {
		o.Result(r)
	}
}

func hundred(b *testing.B) []byte {
	b.Helper()
	batch := new(probe.Batch)
	for n := range 100 {
		batch.Results = append(batch.Results, result(n))
	}
	msgs, err := wire.Marshal(batch)
	if err != nil {
		b.Fatal(err)
	}
	return msgs[0]
}

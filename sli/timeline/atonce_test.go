package timeline

import (
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gaikei/gaikei/probe"
)

// Several take in at once what belongs to the same timelines, in any order, while the store folds and forgets, and while
// commits fail either way.
func TestManyTakeInAtOnce(t *testing.T) { everywhere(t, testManyTakeInAtOnce) }

func testManyTakeInAtOnce(t *testing.T, p place) {
	const takers, each = 4, 50
	c := &clock{noon}
	s := p.open(t, c)
	first := noon.Add(-takers * each * 10 * time.Second)
	ingest(t, s, message(t, "p", probe.Batch{Epochs: []probe.Epoch{follow("shop")}}))
	s.db.commit = failNowAndThen()
	var takes, folds errgroup.Group
	for k := range takers {
		takes.Go(func() error {
			for i := k; i < takers*each; i += takers {
				m := message(t, "p", atOnce(i, first.Add(time.Duration(i)*10*time.Second)))
				for s.Ingest(t.Context(), []Message{m}) != nil {
					if err := t.Context().Err(); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	var done atomic.Bool
	folds.Go(func() error {
		for n := uint32(0); !done.Load(); n++ {
			_ = s.step(t.Context(), n) // fails whenever its commit does, and is repeated
		}
		return nil
	})
	err := takes.Wait()
	done.Store(true)
	if err := errors.Join(err, folds.Wait()); err != nil {
		t.Fatal(err)
	}
	s.db.commit = (*sql.Tx).Commit
	catchUp(t, s)

	var want []string
	for i := range takers * each {
		want = append(want, map[bool]string{true: "up", false: "down{timeout}"}[i%3 > 0])
	}
	all := strings.Join(want, " ")
	wantText(t, "taken in", all, outcomes(t, s, first, noon))
	foldAll(t, s)
	wantText(t, "folded", all, outcomes(t, s, first, noon))
	if n := rows(t, s, "journal"); n != 0 {
		t.Errorf("got %d rows in the journal, want none", n)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = p.store(t)
	wantText(t, "opened again", all, outcomes(t, s, first, noon))
}

// atOnce are results of an instant, of more checks than are folded at a time.
func atOnce(i int, at time.Time) probe.Batch {
	look := down
	if i%3 > 0 {
		look = up
	}
	b := probe.Batch{Results: []probe.Result{look("shop", at)}}
	for n := range 2 * perBundle {
		b.Results = append(b.Results, look(fmt.Sprintf("other-%d", n), at))
	}
	return b
}

// failNowAndThen is a commit that fails every fourth time, with or without having happened.
func failNowAndThen() func(*sql.Tx) error {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(1, 2))
	return func(tx *sql.Tx) error {
		mu.Lock()
		n := random.IntN(8)
		mu.Unlock()
		switch n {
		case 0:
			return failBefore(tx)
		case 1:
			return failAfter(tx)
		}
		return tx.Commit()
	}
}

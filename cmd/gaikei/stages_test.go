package main

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/gaikei/gaikei/internal/bubble"
)

func TestStagesEndInOrder(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var ended []string
		until := func(name string) func(context.Context) error {
			return func(ctx context.Context) error {
				<-ctx.Done()
				ended = append(ended, name)
				return ctx.Err()
			}
		}
		var s stages
		s.add(ctx, until("store"))
		s.add(ctx, until("queue"))
		s.add(ctx, until("prober"))
		cancel()
		if err := s.wait(ctx); err != nil {
			t.Errorf("got %v, want no error for being told to stop", err)
		}
		if want := []string{"prober", "queue", "store"}; !slices.Equal(ended, want) {
			t.Errorf("ended in the order %v, want %v", ended, want)
		}
	})
}

func TestStagesEndWhenOneFails(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		wrong := errors.New("disk on fire")
		var s stages
		s.add(t.Context(), func(ctx context.Context) error {
			<-ctx.Done()
			return nil
		})
		s.add(t.Context(), func(context.Context) error { return wrong })
		if err := s.wait(t.Context()); !errors.Is(err, wrong) {
			t.Errorf("got %v, want %v", err, wrong)
		}
	})
}

package main

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"
)

// stages runs long-running functions that hand data to each other, and ends them in the order of the data: a
// stage is told to stop only when every stage before it has returned, so what one flushes at its end the
// next still takes. The zero value is ready for use.
type stages struct {
	list []stage
}

type stage struct {
	cancel context.CancelFunc
	group  *errgroup.Group
	ctx    context.Context
}

// add starts a stage. Stages are added from the last in the order of the data to the first. Its functions
// keep ctx's values but outlive its end.
func (s *stages) add(ctx context.Context, fs ...func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	g, gctx := errgroup.WithContext(ctx)
	for _, f := range fs {
		g.Go(func() error { return f(gctx) })
	}
	s.list = append(s.list, stage{cancel: cancel, group: g, ctx: gctx})
}

// wait returns when ctx has ended or a stage has failed, and all stages have then ended in order. Its error
// joins theirs; that a context was cancelled is none.
func (s *stages) wait(ctx context.Context) error {
	failed := make(chan struct{}, len(s.list))
	for _, st := range s.list {
		stop := context.AfterFunc(st.ctx, func() { failed <- struct{}{} })
		defer stop()
	}
	select {
	case <-ctx.Done():
	case <-failed:
	}
	var errs []error
	for i := len(s.list) - 1; i >= 0; i-- {
		s.list[i].cancel()
		if err := s.list[i].group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

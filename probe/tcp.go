package probe

import "context"

// TCP is replaced shortly.
type TCP struct{}

func (*TCP) Validate() []Problem                               { return nil }
func (*TCP) Target() Target                                    { return Target{} }
func (*TCP) Attempt(ctx context.Context, w *World) (a Attempt) { return a }

package probe

import "context"

// HTTP is replaced shortly.
type HTTP struct{}

func (*HTTP) Validate() []Problem                               { return nil }
func (*HTTP) Target() Target                                    { return Target{} }
func (*HTTP) Attempt(ctx context.Context, w *World) (a Attempt) { return a }

package probe

import "context"

// DNS is replaced shortly.
type DNS struct{}

func (*DNS) Validate() []Problem                               { return nil }
func (*DNS) Target() Target                                    { return Target{} }
func (*DNS) Attempt(ctx context.Context, w *World) (a Attempt) { return a }

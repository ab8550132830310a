package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/timeline"
	"github.com/gaikei/gaikei/sli/web"
)

// A corrector is the store as the API corrects it.
type corrector struct{ *timeline.Store }

// Correct stores a correction. That its id is taken is the asker's fault.
func (c corrector) Correct(ctx context.Context, x sli.Correction) (sli.Correction, error) {
	stored, err := c.Store.Correct(ctx, x)
	if errors.Is(err, timeline.ErrConflict) {
		err = fmt.Errorf("%w: %w", web.ErrRefused, err)
	}
	return stored, err
}

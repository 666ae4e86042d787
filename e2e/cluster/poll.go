package cluster

import (
	"context"
	"fmt"
	"time"
)

// Poll asks again and again, with a pause in between, until the answer is nil. At the
// end of ctx its cause is returned, with the last answer.
func Poll(ctx context.Context, pause time.Duration, ask func() error) error {
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(pause):
		}
	}
}

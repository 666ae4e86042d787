package filelock

import (
	"context"
	"path/filepath"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

const (
	// lookAgain is when the state is first looked at once more after a
	// descriptor of the .lock file was closed. The kernel tells of the last
	// close shortly before it frees the flock, and nothing tells of that.
	lookAgain = 500 * time.Microsecond
	// lookAnyway is how often it is looked at without an event. No hand-over
	// hangs on an event alone.
	lookAnyway = time.Second
)

// Watch delivers the present state and then each new one that it finds, by
// inotify(7), until ctx ends or the directory is gone. A state that was
// replaced before it could be read is left out. It calls deliver from the
// calling goroutine.
//
// Where the kernel has no inotify instance left, it delivers the present state
// before it returns the error, so a caller who calls again sees every state.
func (l *Lock) Watch(ctx context.Context, deliver func(elector.Observation)) error {
	events, watching := watchDir(l.dir, filepath.Base(l.path))
	if watching == nil {
		defer events.close()
	}
	// How long ago the last event was decides how soon to look again.
	pause := lookAnyway
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for first, last := true, uint64(0); ; first = false {
		obs, err := l.Read(ctx)
		if err != nil {
			return err
		}
		if first || obs.Revision != last {
			last = obs.Revision
			deliver(obs)
		}
		if watching != nil {
			return l.failed("watch", watching)
		}
		if events.misplaced() {
			return l.failed("watch", errDirGone)
		}
		timer.Reset(pause)
		select {
		case <-ctx.Done():
			return l.failed("watch", context.Cause(ctx))
		case event := <-events.c:
			if event.err != nil {
				return l.failed("watch", event.err)
			}
			if event.lockClosed {
				pause = lookAgain
			}
		case <-timer.C:
			pause = min(2*pause, lookAnyway)
		}
	}
}

package scenarios

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/k8s-await-election/k8s-await-election/examples/httpserver/record"
)

// runs are all runs of the recorder in this namespace, on all nodes, the earliest
// first.
func (s *scenario) runs() []record.Run {
	s.t.Helper()
	all, err := s.readRuns(s.ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

func (s *scenario) readRuns(ctx context.Context) ([]record.Run, error) {
	readers, err := site.everyReader(ctx)
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp(s.folder, "runs-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	paths := s.records
	for _, r := range readers {
		text, err := site.request(r, http.MethodGet, "records/"+s.namespace).DoRaw(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the records of %s: %w", r.node, err)
		}
		path := filepath.Join(folder, r.node)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return nil, err
		}
		paths = append(paths[:len(paths):len(paths)], path)
	}
	return record.Read(paths...)
}

// proveNeverTwo fails the test where two recorders ran at once, or where a later
// one had no greater fencing token. Of an ungated scenario it wants the overlap.
func (s *scenario) proveNeverTwo(ctx context.Context) {
	s.t.Helper()
	runs, err := s.readRuns(ctx)
	if err != nil {
		s.t.Error(err)
		return
	}
	if len(runs) == 0 {
		s.t.Error("no run was recorded, so nothing is proven")
		return
	}
	var silence time.Duration
	for _, r := range runs {
		silence = max(silence, r.Silence)
	}
	s.t.Logf("%d runs, the longest silence in one was %s", len(runs), silence)
	for _, h := range record.HandOvers(runs) {
		s.t.Logf("nobody for %s: %s to %s", h.Gap, h.From.Name, h.To.Name)
	}
	overlaps := record.Overlaps(runs)
	for _, f := range s.frozen {
		var awake time.Duration
		overlaps = slices.DeleteFunc(overlaps, func(o record.Overlap) bool {
			excused := f.excuses(o)
			if excused {
				awake = max(awake, o.Awake())
			}
			return excused
		})
		s.t.Logf("%s stood still for %s; after that two were awake at once for %s (zero is not promised)", f.pod, f.to-f.from, awake)
	}
	if !s.ungated {
		for _, o := range overlaps {
			s.t.Error(o)
		}
	}
	if s.ungated && len(overlaps) == 0 {
		s.t.Error("nobody kept the recorders apart, and no two are found at once")
	}
	if err := tokensGrow(runs); err != nil {
		s.t.Error(err)
	}
}

// tokensGrow is about runs in the order of their starts.
func tokensGrow(runs []record.Run) error {
	var last uint64
	for _, r := range runs {
		if r.Token == "" {
			continue // another elector, which has none
		}
		token, err := strconv.ParseUint(r.Token, 10, 64)
		if err != nil {
			return err
		}
		if token <= last {
			return fmt.Errorf("%s came after one with the fencing token %d", r, last)
		}
		last = token
	}
	return nil
}

// addFolder notes a directory on the nodes that is to be removed at the end.
func (e *environment) addFolder(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.folders = append(e.folders, name)
}

// removeFolders removes the directories. The Pods that have used them must be gone.
func (e *environment) removeFolders(ctx context.Context) error {
	readers, err := e.everyReader(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range readers {
		for _, folder := range e.folders {
			if text, err := e.request(r, http.MethodDelete, "records/"+folder).DoRaw(ctx); err != nil {
				errs = append(errs, fmt.Errorf("remove %s from %s: %w (%s)", folder, r.node, err, strings.TrimSpace(string(text))))
			}
		}
	}
	return errors.Join(errs...)
}

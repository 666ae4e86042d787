package filelock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// Endings of a lock's files.
const (
	recordEnding = ".json"
	newEnding    = ".json.new" // a record that is being written, or whose writer died
	lockEnding   = ".lock"
	mutexEnding  = ".mutex"
)

// Lock is an elector.Lock that is kept in a directory. It behaves the same to
// another Lock in this process as to one in another process. What it holds is
// freed by a release, or by the end of the process and its descendants.
type Lock struct {
	dir string
	// path is what the names of the files begin with.
	path string
	// mode is the rights of the files.
	mode uint32

	// turn is a mutex for what follows, whose waiters can give up. It is held
	// by one read or write at a time.
	turn chan struct{}
	// tenancy is the flock on the .lock file. Nil: not held.
	tenancy *flocked
	// seen is the last state, and revision its number.
	seen     state
	revision uint64
}

var _ elector.Lock = (*Lock)(nil)

// state is what a lock looks like at one moment. Comparable.
type state struct {
	exists bool
	raw    string
	// gone: the record names a holder, and it is proven to have ended with all
	// its descendants.
	gone bool
}

// origin is what an elector.Observation of this package was made from.
type origin struct{ state }

// New returns the lock of this name, which may be any text, in dir. Nothing is
// written for the lock itself yet.
//
// A directory that is missing is made, for this user alone (0700): who can open
// a lock's files can keep everybody out, and who can write the directory can
// elect whom they like. To share a lock between users, prepare a directory that
// they may write: files are made readable and writable for exactly those.
//
// An error says what is wrong with the directory and what to do.
func New(dir, namespace, name string) (*Lock, error) {
	if dir == "" {
		return nil, errors.New("lock directory: LOCK_DIR is empty; it must name a directory, for instance /run/locks")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("lock directory: %w", err)
	}
	mode, err := prepare(dir)
	if err != nil {
		return nil, err
	}
	return &Lock{
		dir:  dir,
		path: filepath.Join(dir, fileName(namespace, name)),
		mode: mode,
		turn: make(chan struct{}, 1),
	}, nil
}

// prepare makes sure that dir can hold locks, and returns the rights of files.
func prepare(dir string) (mode uint32, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, fmt.Errorf("make lock directory %s: %w; LOCK_DIR must name a directory, or a place where one can be made", dir, err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return 0, fmt.Errorf("lock directory: %w", err)
	}
	var system unix.Statfs_t
	if _, err := again(func() (int, error) { return 0, unix.Statfs(dir, &system) }); err != nil {
		return 0, fmt.Errorf("lock directory %s: statfs: %w", dir, err)
	}
	if name, refused := networkFileSystem(int64(system.Type)); refused { //nolint:unconvert // narrower on other architectures
		return 0, fmt.Errorf("lock directory %s is on %s, where a lock of this machine is not certain; use a local directory, for instance under /run or in a local volume", dir, name)
	}
	if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.R_OK|unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return 0, fmt.Errorf("lock directory %s is not readable and writable for uid %d: %w; let LOCK_DIR name a directory of this user", dir, os.Geteuid(), err)
	}
	writers := uint32(info.Mode().Perm()) & 0o222
	return 0o600 | writers | writers<<1, nil
}

// String names the lock by its file.
func (l *Lock) String() string { return "file lock " + l.path + lockEnding }

// Read returns the present state. A record whose holder is gone is shown as
// released.
func (l *Lock) Read(ctx context.Context) (elector.Observation, error) {
	leave, err := l.enter(ctx, unix.LOCK_SH)
	if err != nil {
		return elector.Observation{}, l.failed("read", err)
	}
	defer leave()
	now, doc, err := l.load()
	if err != nil {
		return elector.Observation{}, l.failed("read", err)
	}
	l.number(now, doc.Revision)
	return l.observe(doc)
}

// Write replaces the record. A record that names a holder needs the flock,
// which this Lock either has or takes now, and from then on keeps; so does one
// that names nobody, after which the flock is given up, whether or not the
// record could be written. Only a proposal of an heir needs none. ErrConflict
// also says that the flock is another's. Once ctx lets it begin, it ends.
func (l *Lock) Write(ctx context.Context, from elector.Observation, to elector.Record) (elector.Observation, error) {
	leave, err := l.enter(ctx, unix.LOCK_EX)
	if err != nil {
		return elector.Observation{}, l.failed("write", err)
	}
	defer leave()
	now, before, err := l.load()
	if err != nil {
		return elector.Observation{}, l.failed("write", err)
	}
	l.number(now, before.Revision)
	was, ours := from.Origin.(origin)
	if !ours && from.Exists || was.exists != now.exists || was.raw != now.raw {
		return elector.Observation{}, l.failed("write", elector.ErrConflict)
	}

	after := before.with(to)
	// Somebody who takes over in the name of the former holder may write the
	// same record but for the heir. They saw it released.
	note := false
	if !was.gone {
		if note, err = before.proposesHeir(after); err != nil {
			return elector.Observation{}, l.failed("write", err)
		}
	}
	acquired := false
	if !note {
		if acquired, err = l.tenant(); err != nil {
			return elector.Observation{}, l.failed("write", err)
		}
		after.LockInode = 0
		if to.HolderIdentity != "" {
			after.LockInode = l.tenancy.inode
		}
		after.Revision, err = l.revise(acquired)
	} else {
		after.Revision = l.revision + 1
	}
	var raw []byte
	if err == nil {
		raw, err = after.encode()
	}
	if err == nil {
		err = l.store(raw)
	}
	// A holder whose record was deleted makes it anew empty first, and goes on
	// holding: its descendants have the flock too, so it could not take it again.
	released := to.HolderIdentity == "" && (acquired || from.Exists)
	if !note && (released || err != nil && acquired) {
		l.vacate()
	}
	if err != nil {
		return elector.Observation{}, l.failed("write", err)
	}
	l.number(state{exists: true, raw: string(raw)}, after.Revision)
	return l.observe(after)
}

// enter waits for this Lock's turn, and for that among all Locks of this name:
// readers go together (LOCK_SH), writers alone (LOCK_EX).
func (l *Lock) enter(ctx context.Context, how int) (leave func(), err error) {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	mutex, err := l.mutex(ctx, how)
	if err != nil {
		<-l.turn
		return nil, err
	}
	leave = func() {
		mutex.unlock()
		<-l.turn
	}
	// Select picks at random, so what was free may have been taken too late.
	if err := context.Cause(ctx); err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

// mutex takes the flock on the .mutex file. It asks again and again instead of
// waiting in the kernel, from where a thread cannot be called back. Whoever is
// inside stays there for some file operations.
func (l *Lock) mutex(ctx context.Context, how int) (*flocked, error) {
	const shortest, longest = 50 * time.Microsecond, 2 * time.Millisecond
	for pause := shortest; ; pause = min(2*pause, longest) {
		mutex, err := take(l.path+mutexEnding, unix.O_RDONLY, l.mode, how)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			// The directory was deleted under us.
			if err := os.MkdirAll(l.dir, 0o700); err != nil {
				return nil, err
			}
		case !errors.Is(err, errBusy):
			return mutex, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, fmt.Errorf("wait for %s: %w", l.path+mutexEnding, context.Cause(ctx))
		}
	}
}

// tenant makes sure that this Lock holds the flock, and says whether it did not
// before. A flock on a file that was deleted, or put in the place of another,
// excludes nobody any more.
func (l *Lock) tenant() (acquired bool, err error) {
	if l.tenancy != nil && l.tenancy.is(l.path+lockEnding) {
		return false, nil
	}
	l.vacate()
	// Opened for writing so that its last close is an event, see Watch.
	tenancy, err := take(l.path+lockEnding, unix.O_RDWR, l.mode, unix.LOCK_EX)
	if errors.Is(err, errBusy) {
		return false, elector.ErrConflict
	}
	if err != nil {
		return false, err
	}
	if err := tenancy.bequeath(); err != nil {
		tenancy.close()
		return false, err
	}
	l.tenancy = tenancy
	return true, nil
}

// vacate gives up this process's share of the flock. Descendants that should be
// gone, and are not, keep theirs.
func (l *Lock) vacate() {
	if l.tenancy != nil {
		l.tenancy.close()
		l.tenancy = nil
	}
}

// free reports whether the .lock file is the one with this inode (no file has
// inode 0) and nobody has a flock on it. It is opened for reading: closing that
// wakes no watcher.
func (l *Lock) free(inode uint64) bool {
	file, err := open(l.path+lockEnding, unix.O_RDONLY, 0)
	if err != nil {
		return false
	}
	if file.inode != inode || file.lock(unix.LOCK_SH) != nil {
		file.close()
		return false
	}
	file.unlock()
	return true
}

// number gives the state `now` its revision: the record's own, unless the state
// differs from the last one for a reason that did not raise it (the holder is
// gone, the file was deleted or edited by hand).
func (l *Lock) number(now state, revision uint64) {
	if now != l.seen {
		l.seen, l.revision = now, max(revision, l.revision+1)
	}
}

// observe tells the last state, whose content is doc, in elector's words.
func (l *Lock) observe(doc document) (elector.Observation, error) {
	obs := elector.Observation{
		Exists:   l.seen.exists,
		Revision: l.revision,
		Record:   doc.record(),
		Origin:   origin{l.seen},
	}
	spec, err := doc.spec()
	if err != nil {
		return elector.Observation{}, l.failed("read", err)
	}
	obs.Spec = spec
	if l.seen.gone {
		obs.Record.HolderIdentity = ""
		obs.Record.LeaseDuration = time.Second
		obs.Spec = "gone " + spec
	}
	return obs, nil
}

// failed says what failed. Where the system refused, it is for good until
// somebody changes the rights.
func (l *Lock) failed(operation string, err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		return fmt.Errorf("%s %s: %w: %w; uid %d must be able to write the lock directory and its files", operation, l, elector.ErrForbidden, err, os.Geteuid())
	}
	return fmt.Errorf("%s %s: %w", operation, l, err)
}

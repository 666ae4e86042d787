package filelock

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// load returns the present state and what the record says. A record that cannot
// be understood exists and says nothing.
func (l *Lock) load() (state, document, error) {
	raw, err := readRecord(l.path + recordEnding)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, document{}, nil
	}
	if err != nil {
		return state{}, document{}, err
	}
	now := state{exists: true, raw: string(raw)}
	doc, err := decode(raw)
	if err != nil {
		return now, document{}, nil
	}
	now.gone = doc.HolderIdentity != "" && l.free(doc.LockInode)
	return now, doc, nil
}

func readRecord(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(io.LimitReader(file, maxRecord))
	return raw, errors.Join(err, file.Close())
}

// store puts raw in the place of the record, as a whole: whoever is killed here,
// or finds the disk full, leaves the former one.
//
// The content is synced before it gets its name. Otherwise a crash of the
// machine may leave an empty file there, and with it would go the revision that
// the next fencing token has to exceed, on a machine whose clock may begin
// anew; and some file systems only then notice that the disk is full. The name
// itself is synced only for a new holder (durable), whose token may be in use
// as soon as this returns; losing a renewal in a crash loses nothing.
func (l *Lock) store(raw []byte, durable bool) error {
	path, next := l.path+recordEnding, l.path+newEnding
	// What a killed writer left; only one writer is here at a time.
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := writeSynced(next, raw, fs.FileMode(l.mode)); err != nil {
		_ = os.Remove(next) // it may be what fills the disk
		return err
	}
	if err := os.Rename(next, path); err != nil {
		_ = os.Remove(next)
		return err
	}
	if durable {
		return syncDir(l.dir)
	}
	return nil
}

func writeSynced(path string, raw []byte, mode fs.FileMode) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := file.Chmod(mode); err != nil { // the umask
		return err
	}
	if _, err := file.Write(raw); err != nil {
		return err
	}
	return file.Sync()
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	err = dir.Sync()
	if errors.Is(err, unix.EINVAL) { // the file system keeps no directories to sync
		err = nil
	}
	return errors.Join(err, dir.Close())
}

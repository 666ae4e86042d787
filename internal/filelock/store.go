package filelock

import (
	"errors"
	"io"
	"io/fs"
	"os"
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
// or finds the disk full, leaves the former one. Nothing is synced, as nothing in
// the record is needed after a crash of the machine (package doc).
func (l *Lock) store(raw []byte) error {
	path, next := l.path+recordEnding, l.path+newEnding
	// What a killed writer left; only one writer is here at a time.
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	err := writeNew(next, raw, fs.FileMode(l.mode))
	if err == nil {
		err = os.Rename(next, path)
	}
	if err != nil {
		_ = os.Remove(next) // it may be what fills the disk
	}
	return err
}

func writeNew(path string, raw []byte, mode fs.FileMode) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if err := file.Chmod(mode); err != nil { // the umask
		return err
	}
	_, err = file.Write(raw)
	return err
}

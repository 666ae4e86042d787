// Package instance finds out which run of this program this process is, so that
// a container restarted in its Pod is told from another Pod of the same name,
// and may lead again at once. app calls it once, at start.
//
// It guarantees that no two processes of one network namespace hold the same
// claim at one time. It refuses to say that a predecessor is dead: the elector
// concludes that, from this and from what the predecessor wrote. Nor does it
// notice a gate of the same identity in another network namespace: that is what
// the lock is for.
package instance

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// ErrTaken: another live process of this network namespace stands in the same
// election under the same identity.
var ErrTaken = errors.New("identity is in use")

// Options name the election and the candidate, by any text.
type Options struct {
	LockType, Namespace, Name, Identity string
	// PodUID is the Pod's UID. Empty: the one in the mounted token, if any.
	PodUID string
	// StartsNothing: this process starts no others, so that nothing outlives it,
	// whether or not it is PID 1.
	StartsNothing bool
}

// Claim binds the abstract socket of the identity (unix(7)), whose name is the
// network namespace's. The kernel frees it when the process ends, however it ends,
// and not before; the processes it starts do not share it. Of PID 1 it is freed a
// moment before they are killed: a container's successor starts only when its whole
// PID namespace is gone, but a second container of the Pod that tries to run under
// the same identity could begin in that moment. It must be called once,
// before anything is started: a claim made later would prove nothing about who ran
// before. What cannot be found out, or may not be bound, stays empty, and then
// nothing is ever taken back early. The only error is ErrTaken.
func Claim(o Options) (elector.Instance, error) {
	self, _, err := claim(o)
	return self, err
}

// claim returns the socket too, −1 where it could not be bound.
func claim(o Options) (self elector.Instance, socket int, err error) {
	uid := o.PodUID
	if uid == "" {
		uid = tokenPodUID(tokenPath)
	}
	self = elector.Instance{
		Process: rand.Text(),
		BootID:  bootID(),
		NetNS:   netNS(),
		PodUID:  uid,
		Init:    os.Getpid() == 1 || o.StartsNothing,
	}
	socket, err = bind(socketName(o))
	if errors.Is(err, unix.EADDRINUSE) {
		return self, -1, fmt.Errorf("%w: another live gate of this network namespace is %q in this election; give each its own IDENTITY, such as the Pod's name, and one more word where a Pod has two", ErrTaken, o.Identity)
	}
	self.Exclusive = err == nil
	return self, socket, nil
}

// bind returns a socket that nobody connects to. It is not inherited.
func bind(name string) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: name}); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// maxName is what fits an address beside the zero byte of an abstract one
// (unix(7): sun_path has 108).
const maxName = 107

// socketName is @k8s-await-election/<type>/<namespace>/<lock>/<identity>, or,
// where that is too long or could be read in two ways, a hash of the four.
func socketName(o Options) string {
	const prefix = "@k8s-await-election/"
	name := prefix + strings.Join([]string{o.LockType, o.Namespace, o.Name, o.Identity}, "/")
	if len(name) <= maxName && !strings.ContainsRune(o.LockType+o.Namespace+o.Name, '/') {
		return name
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q", o.LockType, o.Namespace, o.Name, o.Identity))
	return prefix + hex.EncodeToString(sum[:])
}

// bootID names this run of the kernel (random(4)).
func bootID() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// netNS is the inode of the network namespace (namespaces(7)).
func netNS() uint64 {
	var s unix.Stat_t
	if err := unix.Stat("/proc/self/ns/net", &s); err != nil {
		return 0
	}
	return s.Ino
}

//go:build linux

package tree

import "golang.org/x/sys/unix"

// Kill kills a descendant of root that this process need not be the parent of: it
// can be reaped, and its pid pass on, at any moment. Without pidfds (Linux before
// 5.3, some sandboxes) it does nothing.
func Kill(e Entry, root int) error {
	fd, ok := hold(e, root)
	if !ok {
		return nil
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
}

// KillGroup kills a descendant of root as Kill does, and before it its process
// group where that is certainly root's alone. A group is killed at once, so that
// forking is no way out.
//
// There is no descriptor for a group. Its number is looked up while e has it; that
// a stranger had it a moment later, the kernel would have to have given all its
// other numbers away in that moment (it gives them in turn).
func KillGroup(e Entry, root int, ours Groups) error {
	fd, ok := hold(e, root)
	if !ok {
		return nil
	}
	defer func() { _ = unix.Close(fd) }()
	group, err := unix.Getpgid(e.PID)
	owned := err == nil && ours.Own(e.PID, group)
	if owned && unix.PidfdSendSignal(fd, 0, nil, 0) == nil { // it was about e
		_ = unix.Kill(-group, unix.SIGKILL)
	}
	return unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
}

// hold returns a pidfd of a descendant of root. It holds on to whoever has the pid
// now, and what /proc says of it afterwards is about that process, or it has died
// and signals go nowhere.
func hold(e Entry, root int) (fd int, ok bool) {
	fd, err := unix.PidfdOpen(e.PID, 0)
	if err != nil {
		return -1, false
	}
	now, err := Read(e.PID)
	if err != nil || now.Start != e.Start || (now.Parent != e.Parent && now.Parent != root) {
		_ = unix.Close(fd)
		return -1, false
	}
	return fd, true
}

// Groups tells the process groups of the gate's descendants from those in which it
// may have siblings.
type Groups struct {
	// Group and Session are the gate's.
	Group, Session int
	// Command is the group of the latest command; zero: none.
	Command int
}

// GroupsOf is of the gate, by its pid.
func GroupsOf(gate, command int) (Groups, error) {
	group, err := unix.Getpgid(gate)
	if err != nil {
		return Groups{}, err
	}
	session, err := unix.Getsid(gate)
	return Groups{Group: group, Session: session, Command: command}, err
}

// Own reports whether all members of a descendant's group descend from the gate:
// the descendant or the command leads it, or it is of another session than the
// gate. A session is entered by birth alone (setsid(2)), so one that a descendant
// is in was founded by a descendant. Other groups may be those of the gate's own
// siblings.
func (g Groups) Own(descendant, group int) bool {
	if group <= 1 || group == g.Group {
		return false
	}
	if group == descendant || group == g.Command {
		return true
	}
	session, err := unix.Getsid(descendant)
	return err == nil && session != g.Session
}

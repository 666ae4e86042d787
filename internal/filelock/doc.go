// Package filelock is an elector.Lock on one machine, for use without a
// cluster: processes that share a directory elect one holder among them.
//
// # How it is kept
//
// A lock is three files in LOCK_DIR, of one name:
//
//	<namespace>_<name>.json   the record, replaced as a whole by rename(2)
//	<namespace>_<name>.lock   who holds it by flock(2) holds the lock; in it is
//	                          a number that no revision of the past exceeds
//	<namespace>_<name>.mutex  empty; flock(2) on it makes one read or write of
//	                          the other two a single step
//
// The holder's flock belongs to an open file description (flock(2)) that the
// command and all its descendants inherit. So the kernel frees it when the gate
// and every descendant are gone, and not before; however they ended, and
// whatever a clock says.
//
// # What is synced, and why no more
//
// A renewal that waits for a disk may come too late, so what is synced is only
// what is needed after a crash of the machine (power loss, panic). Nobody who
// read the record before is left then: the kernel has freed every flock, and gates
// and commands are dead, so nobody has to be waited for, whatever the record says
// or if it is lost. What must survive is the promise that fencing tokens grow,
// also on a machine whose clock begins anew. A token is a revision that a tenant
// (who has the flock) wrote. So before a tenant writes one that is above the
// number in the .lock file, it puts a number there that is greater by far, and
// syncs the file and the directory; and the first revision under a new flock is
// above that number. That is two syncs at an acquisition, and none at a renewal or
// a release. Without a crash of the machine, a file is what was last written to
// it, synced or not, whoever was killed.
//
// # Guaranteed
//
//   - Nobody acquires while the gate or a descendant of its command lives, also
//     when the gate was killed and the command was not, or when the gate hangs
//     past the end of its lease. Stronger than a timer.
//   - A record whose holder is gone in that sense is shown as released, within
//     milliseconds; the next candidate does not wait for a lease to expire.
//   - A record is whole: killed writers and full disks leave the former one. A
//     crash of the machine may leave an older one, or none that can be read.
//   - Revisions grow: over holders, over a crash or a reboot, and, as they begin
//     from the wall clock, also after somebody has deleted the files.
//
// # Not guaranteed
//
//   - Descendants that close all their descriptors (daemons, children of
//     Python's subprocess) keep nobody out. The gate kills them before it
//     releases; if it is itself killed while they live on, they are not noticed.
//   - Between machines there is no lock. Network file systems are refused.
//   - Files deleted by hand. Without the record the lock is absent, and who saw
//     a holder waits out its lease (elector). A deleted .lock proves nothing
//     about the holder, so its lease must expire; it takes a new one with its
//     next renewal. From then on, until the next election, the gate's own life
//     is guarded by flock and its orphans' is not.
//   - A process that may open the files and is no gate: flock(2) is advisory.
//     For whom the files are is therefore told by the directory, see New.
//
// internal/app makes a Lock where LOCK_TYPE is file. The gate needs to do
// nothing for the inheritance, but must not close foreign descriptors in the
// command it starts.
package filelock

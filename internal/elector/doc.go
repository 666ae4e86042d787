// Package elector elects one holder of a lock at a time and tells it, and
// everybody else, until when. It is a state machine over a Lock (where the
// record is kept) and two Clocks; it opens no connection and starts no process
// itself. internal/gate is its caller.
//
// # The timing inequality
//
// T0 is the holder's reading of CLOCK_BOOTTIME just before it sent the last
// write that was answered with success and a new revision. Nothing else moves
// it. Then, with KillMargin = max(LeaseDuration/10, 500 ms):
//
//	T0 + RetryPeriod                  the next renewal is sent
//	T0 + RenewDeadline                the term is over: the child is told to stop
//	T0 + LeaseDuration − KillMargin   whatever is left of it is killed
//	T0 + LeaseDuration                the earliest moment anybody else may start
//
//	RetryPeriod < RenewDeadline < LeaseDuration − KillMargin
//
// The last line of the table holds because a candidate counts the record's
// whole duration, which is LeaseDuration rounded up, on its own CLOCK_MONOTONIC
// from the moment it received the record: later than T0, as it cannot receive
// what was not yet sent. Only the rates of the two clocks must agree, to less
// than KillMargin/LeaseDuration (10 %; 1 % is assumed). What they read does not
// matter, and neither does the wall clock.
//
// # What is not guaranteed
//
// A process that is paused, killed or hung cannot end its child: the gate must
// be such that its own death ends it (PID 1), and somebody else must keep the
// kill's deadline beside it, which Config.Deadline tells (internal/guard). Clocks that stand still for the
// holder alone (a paused virtual machine), a lock whose past is restored, and a
// lock deleted before a candidate first saw it are outside. For these the
// fencing token, the revision that the acquiring write returned, grows from
// holder to holder.
package elector

// Package verdict judges a run of chaos by nothing but what the elected commands
// have noted about themselves (package record) and the log of what was done to
// them. It knows nothing of the program that elects.
//
// It finds
//
//   - every two commands of one lock that were alive at the same instant, unless
//     one is the other's descendant;
//   - every start whose fencing token is not greater than that of the start
//     before it;
//   - every end of a leader that no fault explains. A fault explains an end by its
//     Effect, at the instants that it may have one: an outage that a leader has to
//     sit out, or a fault that only hits standbys, explains none;
//   - every time without a leader that goes on for longer than the lock's bound
//     after the last fault that could have caused it.
//
// An overlap that it reports did happen. What it cannot see is what a process did
// after the last sign of life that it noted: «none» holds as finely as those came,
// which is told (Verdict.Resolution).
//
// e2e/chaos is its caller.
package verdict

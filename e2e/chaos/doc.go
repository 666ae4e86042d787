// Package chaos hurts replicas of the built gate, which elect on a real
// kube-apiserver and on files, in every way that can be arranged on one machine,
// and has package verdict judge what their commands noted meanwhile.
//
// A seed decides which faults there are, on which lock and on whom («the leader»,
// «the second standby»), for how long, and with which pauses. Their order replays;
// when a process gets the processor does not, nor who leads at that moment, so a
// seed finds again what depends on the order and only perhaps what depends on
// milliseconds.
//
// Left out is what the program does not promise: a Lease is deleted or edited by hand
// (but for a foreign holder) only while every candidate knows its holder and its leader
// can put it right, and no replica is started until it has; gate and guard are stopped
// together only with the command (a frozen container), which may then live for an
// instant after the thaw; no gate is stopped that has no guard, or within a read or
// write of a lock on files.
//
// `make chaos` is its caller. It needs root. Linux only.
package chaos

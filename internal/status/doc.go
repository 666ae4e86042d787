// Package status is the HTTP server of STATUS_ENDPOINT, and the client of
// --status and --check.
//
// It guarantees that no answer claims leadership past the lease's validity,
// whichever thread hangs: whether this process leads is computed from a
// Snapshot at the very end of making an answer, after any probe that took its
// time, and an answer that claims it and cannot be handed to the kernel while
// the lease is valid is dropped with its connection. How long it is on its way
// is beyond the server, and so is a stop of the process at the very moment of the
// write: a reader who must know counts lease_expires_in_seconds from when it asked.
//
// It refuses to say anything about the command itself (Probes does), and to be
// private: it has no secrets and asks for none.
//
// Called by app, which makes the Snapshot from the elector. The paths and what
// they answer are in the README, under «HTTP».
package status

// Package statusfile is what a sidecar runs while it leads: the claim to lead,
// as files that the containers beside it can read. gate calls it in the place of
// a command, app wires it; one [Claim] per process.
//
// # What it guarantees
//
//   - The leader file is there only after gate has started the claim, and the
//     term is asked whether it is still valid directly before the rename that
//     makes the file visible, each time.
//   - A nil from Sweep means that the leader file has been seen to be gone. So the
//     lock passes to another only after that, by gate's own rule; where the file
//     cannot be removed, the process ends without releasing.
//   - Where the file cannot be written gate is told so (gate.ErrUnable), once no
//     leader file is to be seen: another replica may be able to.
//   - A leader file that a killed container has left is gone when New returns.
//   - A reader sees a whole file or none: it is written under another name and
//     renamed. A directory has the file leader or the file follower, or for a
//     moment neither, never both.
//   - No symbolic link in the place of a file, or of the directory of StatusDir,
//     is followed: who shares the volume cannot have other files overwritten.
//   - No file system holds up the gate: one goroutine does all that could wait
//     for one, and gate waits for it only as long as it wants.
//
// # What it does not guarantee
//
// A process that is stopped or killed leaves the file as it is, until it goes on
// or its container is started again. Who must know asks for the expiry
// (Options.Expires), and compares it with the clock of the same machine.
package statusfile

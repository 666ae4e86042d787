// Package simulation tries the promise of this program, that no two commands of
// one lock ever run at one time, on random schedules: the real gate and the real
// elector of several processes, unchanged, elect through a store and a network
// that do their worst, inside a bubble of testing/synctest, where the minutes of
// a schedule take milliseconds. It consists of tests alone, and nobody imports it.
//
// What happens in a schedule follows from its seed: each random number is a
// function of the seed, of who asks for what, and of the instant. A schedule that
// breaks an invariant (see judge) is printed with its seed and how to run it
// again. What is made to happen, see weather; what is assumed of the store, see
// store.put.
//
// TestMutants shows that the invariants can fail: it puts one fault at a time
// into a copy of the source and expects a schedule that finds it.
package simulation

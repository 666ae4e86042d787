// Package electortest is what elections are tested with inside a bubble of
// testing/synctest: a clock over the bubble's time, and what may happen to a
// request on its way to a lock. It keeps no lock itself: the tests of each room
// look for other things in one.
//
// It knows the standard library alone, not even package elector, whose own tests
// are among its callers; the others are those of package gate. Nothing but tests
// may import it, which internal/floors_test.go sees to.
package electortest

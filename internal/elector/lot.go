package elector

import (
	"math"
	"time"
)

// lot is what a candidate draws to learn when its turn is to try what only one of
// them can do, so that few try before all have seen the first one's success. It is
// above 0 and at most 1. Nobody knows how many draw.
type lot float64

// mostLots is for how many candidates the turns are made. More than that share
// the first one.
const mostLots = 1000

// draw turns a number in [0,1) into a lot.
func draw(jitter float64) lot { return lot(max(jitter, 1.0/mostLots)) }

// turn is when in a window the lot's turn comes: at
//
//	window · (1 + ln(lot) / ln(mostLots))
//
// The turns are few at first and then ever more: up to t it is mostLots^(t/window)
// times as many as at 0. The more candidates there are, the earlier the first one
// has its turn; and then, however many they are (up to mostLots), less than
// mostLots^(delay/window) others, in the mean, have theirs before all know of it, if
// that takes the delay. In a window of one second, with candidates that learn of it
// one by one, these are 0.5 if the last learns after 50 ms, and 3 after 300 ms. Of
// 500 with turns spread evenly it would be 15 and 78.
func (l lot) turn(window time.Duration) time.Duration {
	return time.Duration(float64(window) * (1 + math.Log(float64(l))/math.Log(mostLots)))
}

// crowd is how many have drawn, roughly, if this lot came first: the least of n
// is about 1/n. It is below a third of n once in twenty times, and above ten
// times n once in ten.
func (l lot) crowd() int { return int(math.Round(1 / float64(l))) }

const (
	// holdBack is how long candidates that are not the heir leave the lock to it,
	// at least. It is many times what a watch event and a write take.
	holdBack = 50 * time.Millisecond
	// wakeUp is what they add for each of the crowd. Telling one of them takes a
	// server some hundredth of that, and a machine on which all of them run a third.
	wakeUp = 2 * time.Millisecond
)

// patience is how long a crowd leaves the lock to its heir: two or three
// candidates hardly longer than holdBack, 500 a second, and never more than half a
// RetryPeriod longer. If the heir is dead, that time is lost.
func (c *candidate) patience(crowd int) time.Duration {
	return holdBack + min(wakeUp*time.Duration(min(max(crowd, 0), mostLots)), c.RetryPeriod/2)
}

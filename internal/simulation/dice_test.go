package simulation

import "time"

// dice are random numbers of one purpose, for one goroutine.
type dice uint64

// dice depend on the seed, on who asks for what, and on the instant: not on the
// order in which goroutines come to ask.
func (w *world) dice(who, what string) *dice {
	const prime = 1099511628211 // of FNV-1a
	sum := uint64(14695981039346656037) ^ w.seed*prime
	for _, text := range [2]string{who, what} {
		for i := range len(text) {
			sum = (sum ^ uint64(text[i])) * prime
		}
		sum = (sum ^ 0xff) * prime
	}
	d := dice(sum ^ uint64(w.now())*0x9e3779b97f4a7c15)
	d.next()
	return &d
}

// next is a step of SplitMix64.
func (d *dice) next() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// float is in [0,1).
func (d *dice) float() float64 { return float64(d.next()>>11) / (1 << 53) }

// in reports true with that probability.
func (d *dice) in(probability float64) bool { return d.float() < probability }

// below is a duration in [0,most).
func (d *dice) below(most time.Duration) time.Duration {
	return time.Duration(d.float() * float64(most))
}

// between is a duration in [least,most).
func (d *dice) between(least, most time.Duration) time.Duration {
	return least + d.below(most-least)
}

// of is a number in [0,n).
func (d *dice) of(n int) int { return int(d.float() * float64(n)) }

func pick[T any](d *dice, from ...T) T { return from[d.of(len(from))] }

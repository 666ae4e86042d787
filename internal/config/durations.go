package config

import (
	"errors"
	"math"
	"strings"
	"time"

	"github.com/k8s-await-election/k8s-await-election/internal/elector"
)

// maxLeaseDuration is what spec.leaseDurationSeconds, an int32, can hold.
const maxLeaseDuration = math.MaxInt32 * time.Second

// proportions are the durations where they are not set.
type proportions struct {
	lease time.Duration
	renew func(lease time.Duration) time.Duration
	retry func(lease, renew time.Duration) time.Duration
	// words tell people of lease and renew.
	leaseWords, renewWords string
}

// ours are those of client-go's elector, and leader-elector's.
var ours = proportions{
	lease: 15 * time.Second,
	renew: func(lease time.Duration) time.Duration { return lease * 2 / 3 },
	retry: func(lease, renew time.Duration) time.Duration { return min(lease*2/15, renew/5) },

	leaseWords: "15 s", renewWords: "2/3 of the lease",
}

// parseDuration reads seconds (15, 1.5) or a Go duration (1500ms). Its errors
// leave the value out.
func parseDuration(value string) (time.Duration, error) {
	if strings.Trim(value, "+-.0123456789") == "" {
		value += "s"
	}
	d, err := time.ParseDuration(value)
	switch {
	case err != nil:
		return 0, errors.New("not a duration, or too long; give seconds or a duration")
	case d <= 0:
		return 0, errors.New("must be more than zero")
	}
	return d, nil
}

// durations fills the three durations of the lease, so that what was taken by
// tools built on client-go's elector is taken here, with a warning where the
// child would have outlived the lease:
//
//   - those tools demand LEASE_DURATION > RENEW_DEADLINE > 1.2 × RETRY_PERIOD;
//     so do we, of what was set;
//   - a default adapts to what was set, as theirs (10 s and 2 s, whatever the
//     lease) would have fitted it;
//   - internal/elector wants the deadline below the lease less its kill margin
//     as well; above, it is lowered;
//   - where a record tells renewals apart by whole seconds, a period below that is
//     raised.
func (v *validator) durations() {
	lease, leaseOK := v.duration("LEASE_DURATION", v.set.LeaseDuration, v.proportions.lease)
	renew, renewOK := v.duration("RENEW_DEADLINE", v.set.RenewDeadline, 0)
	retry, retryOK := v.duration("RETRY_PERIOD", v.set.RetryPeriod, 0)
	switch {
	case !leaseOK:
	case lease < elector.MinLeaseDuration:
		v.mistake("LEASE_DURATION", "shorter than a second, the unit in which a lease is recorded; give one second or more")
		leaseOK = false
	case v.inWholeSeconds() && lease < minWholeLease:
		v.mistake("LEASE_DURATION", "shorter than two seconds, which a lock in a ConfigMap or in Endpoints needs, as it tells renewals apart by whole seconds; give two or more, or use the lock type leases")
		leaseOK = false
	case lease > maxLeaseDuration:
		v.mistake("LEASE_DURATION", "longer than a lease can record; give less than 68 years")
		leaseOK = false
	}
	if !leaseOK || !renewOK || !retryOK {
		return
	}
	latest := lease - elector.KillMargin(lease)
	if renew == 0 {
		renew = max(v.proportions.renew(lease), min(retry+retry/2, latest))
	}
	if retry == 0 {
		retry = v.proportions.retry(lease, renew)
	}
	if v.inWholeSeconds() {
		renew, retry = v.wholeSeconds(lease, renew, retry)
	}
	if renew >= lease {
		v.mistake("RENEW_DEADLINE", "must be less than the lease duration ("+v.proportions.leaseWords+" unless set), or a leader would outlive its lease")
		return
	}
	if retry >= renew || retry+retry/5 >= renew {
		v.mistake("RETRY_PERIOD", "must be so short that 1.2 times it is less than the renew deadline ("+v.proportions.renewWords+" unless set)")
		return
	}

	// A tenth of what is left stays for the command to end by itself.
	if renew >= latest {
		renew = (latest - latest/10).Truncate(time.Millisecond)
		if v.set.RenewDeadline != "" {
			v.warn("RENEW_DEADLINE", "is too close to the end of the lease for all to be stopped by then; "+renew.String()+" is used")
		}
	}
	if retry >= renew {
		retry = renew / 5
		if v.inWholeSeconds() {
			retry = wholePeriod
		}
		v.warn("RETRY_PERIOD", "is not less than the lowered renew deadline; "+retry.String()+" is used")
	}
	v.config.LeaseDuration, v.config.RenewDeadline, v.config.RetryPeriod = lease, renew, retry
}

const (
	// wholePeriod is the shortest time between renewals of a record that has
	// whole seconds: a second, and room for one to be written a little late and
	// the next one in time.
	wholePeriod = 1100 * time.Millisecond
	// minWholeLease leaves time for one of them.
	minWholeLease = 2 * time.Second
)

// inWholeSeconds reports whether the record of the lock has whole seconds, as
// client-go defined it for annotations. A renewal within the same second changes
// nothing there, so that nobody can see it, and a leader may not count it.
func (v *validator) inWholeSeconds() bool {
	return v.config.LockType == ConfigMaps || v.config.LockType == Endpoints
}

// wholeSeconds has every renewal show, and leaves time for two where that made
// the deadline too short. Nobody else knows of either: only the lease itself has
// to be that of the other replicas.
func (v *validator) wholeSeconds(lease, renew, retry time.Duration) (time.Duration, time.Duration) {
	if retry >= wholePeriod {
		return renew, retry
	}
	retry = wholePeriod
	if v.set.RetryPeriod != "" {
		v.warn("RETRY_PERIOD", "is too short for a lock that tells renewals apart by whole seconds; "+retry.String()+" is used")
	}
	if longer := lease * 2 / 3; renew < 2*retry && renew < longer {
		renew = longer
		if v.set.RenewDeadline != "" {
			v.warn("RENEW_DEADLINE", "is too short for renewals "+retry.String()+" apart; "+renew.String()+" is used")
		}
	}
	return renew, retry
}

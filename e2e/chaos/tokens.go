package chaos

import (
	"errors"
)

func expireToken(h hit) (func() error, error) {
	valid := h.fleet.newToken()
	expired, err := h.fleet.server.Expired(valid)
	if err != nil {
		return nil, err
	}
	set := func(token string) error {
		var errs []error
		for _, r := range h.replicas {
			errs = append(errs, r.setToken(token))
		}
		return errors.Join(errs...)
	}
	return func() error { return set(valid) }, set(expired)
}

func rotateToken(h hit) (func() error, error) {
	for _, r := range h.replicas {
		if err := r.setToken(h.fleet.newToken()); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

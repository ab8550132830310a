package timeline

import (
	"context"
	"fmt"
	"time"
)

// A Credential says that whoever holds the secret of a key may connect as a prober. A prober may have several, of which
// some may have been revoked; they are kept, so that it is known who once was let in.
type Credential struct {
	Key            string // public
	Region, Prober string
	Created        time.Time // in ms
	Revoked        time.Time // zero: it has not been
}

// Credentials returns all there are, by region, prober and time.
func (s *Store) Credentials(ctx context.Context) ([]Credential, error) {
	all := []Credential{}
	err := s.db.each(ctx, s.db.read, "credentials", nil, func(scan func(...any) error) error {
		var c Credential
		var created, revoked int64
		err := scan(&c.Key, &c.Region, &c.Prober, &created, &revoked)
		c.Created = time.UnixMilli(created).UTC()
		if revoked > 0 {
			c.Revoked = time.UnixMilli(revoked).UTC()
		}
		all = append(all, c)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read credentials: %w", err)
	}
	return all, nil
}

// AddCredential stores a new one; Revoked is not looked at. That the key is there already is an error.
func (s *Store) AddCredential(ctx context.Context, c Credential) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	err := s.db.transact(ctx, func(tx *transaction) error {
		return tx.exec("add credential", c.Key, c.Region, c.Prober, c.Created.UnixMilli())
	})
	if err != nil {
		return fmt.Errorf("store a credential of prober %s in region %s: %w", c.Prober, c.Region, err)
	}
	return nil
}

// RevokeCredential marks a key as revoked, and reports whether it was one that had not been.
func (s *Store) RevokeCredential(ctx context.Context, key string, at time.Time) (bool, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	var n int64
	err := s.db.transact(ctx, func(tx *transaction) (err error) {
		n, err = tx.change("revoke credential", key, at.UnixMilli())
		return err
	})
	if err != nil {
		return false, fmt.Errorf("revoke credential %s: %w", key, err)
	}
	return n == 1, nil
}

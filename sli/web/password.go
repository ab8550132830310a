package web

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// A login is a name and a password as they were given.
type login struct{ name, password string }

// passwords compares passwords with their bcrypt hashes. That is slow on purpose, about 50 ms at cost 10, so one
// comparison runs at a time, which leaves the processor to the probes, and what matched is remembered: by a keyed
// hash, so that the memory of the process holds no passwords. It is safe for concurrent use.
type passwords struct {
	key  []byte        // of the hash; it dies with the process
	turn chan struct{} // holds one

	mu      sync.Mutex // guards matched
	matched map[[sha256.Size]byte]bool
}

// maxMatched bounds what is remembered.
const maxMatched = 100

func newPasswords() *passwords {
	p := &passwords{key: make([]byte, sha256.Size), turn: make(chan struct{}, 1), matched: map[[sha256.Size]byte]bool{}}
	// It never fails: Go ends the program if the system has no randomness.
	_, _ = rand.Read(p.key)
	return p
}

// match reports whether one of the users has this password. It takes as long for a name that nobody has, or the time
// would tell names.
func (p *passwords) match(ctx context.Context, users map[string]string, given login) bool {
	hash, known := users[given.name]
	if !known {
		hash = costliest(users)
	}
	digest := p.digest(hash, given)
	if p.remembered(digest) {
		return true
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done(): // the asker has gone
		return false
	}
	if bcrypt.CompareHashAndPassword([]byte(hash), []byte(given.password)) != nil || !known {
		return false
	}
	p.remember(digest)
	return true
}

// digest stands for a login that is compared with a hash: another hash makes it another one.
func (p *passwords) digest(hash string, given login) (d [sha256.Size]byte) {
	mac := hmac.New(sha256.New, p.key)
	fmt.Fprintf(mac, "%q %q %q", given.name, hash, given.password)
	mac.Sum(d[:0])
	return d
}

func (p *passwords) remembered(d [sha256.Size]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.matched[d]
}

func (p *passwords) remember(d [sha256.Size]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.matched) >= maxMatched {
		clear(p.matched)
	}
	p.matched[d] = true
}

// costliest returns the hash that takes longest to compare with.
func costliest(users map[string]string) (hash string) {
	most := 0
	for _, h := range users {
		if cost, err := bcrypt.Cost([]byte(h)); err == nil && cost >= most {
			hash, most = h, cost
		}
	}
	return hash
}

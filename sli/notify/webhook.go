package notify

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// runWebhook tells a webhook of events, oldest first, each until it was taken or is too old. Each is told at least once.
func (s *sender) runWebhook(ctx context.Context) {
	wait := s.timing.Again
	for {
		e, there := s.book.first(s.Name)
		switch {
		case !there:
			select {
			case <-ctx.Done():
				return
			case <-s.wake:
			}
			continue
		case time.Since(e.Time) > s.timing.GiveUp:
			s.dropped.Add(1)
			s.book.remove(s.Name, e.ID)
			continue
		}
		err := s.post(ctx, "", e.Body, func(h http.Header, t Target) { sign(h, t.Keys, e, time.Now()) })
		if err == nil {
			s.book.remove(s.Name, e.ID)
			wait = s.timing.Again
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(jitter(wait)):
		}
		wait = min(2*wait, max(longestWait, s.timing.Again))
	}
}

// jitter is between half of a wait and all of it, so that not all come back at once after a fault.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// sign signs an event with each of the keys, as Standard Webhooks has it (https://www.standardwebhooks.com, version 1):
// HMAC-SHA256 over id, time and body with dots between them.
func sign(h http.Header, keys [][]byte, e pending, at time.Time) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	var signatures []string
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(e.ID + "." + stamp + "."))
		mac.Write(e.Body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	h.Set("Webhook-Id", e.ID)
	h.Set("Webhook-Timestamp", stamp)
	h.Set("Webhook-Signature", strings.Join(signatures, " "))
}

// How long the key of a webhook is, in bytes, as Standard Webhooks has it.
const (
	leastKey = 24
	mostKey  = 64
)

// ParseKey reads the secret of a webhook: whsec_ and base64. Its error does not show it.
func ParseKey(secret string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(secret), "whsec_"))
	switch {
	case err != nil:
		return nil, errors.New("the secret is not base64, wanted whsec_ and base64, as of: openssl rand -base64 32")
	case len(key) < leastKey || len(key) > mostKey:
		return nil, fmt.Errorf("the secret has %d bytes, wanted %d to %d in base64, as of: openssl rand -base64 32", len(key), leastKey, mostKey)
	}
	return key, nil
}

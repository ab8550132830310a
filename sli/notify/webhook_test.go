package notify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gaikei/gaikei/sli"
)

// TestSignature holds a signature against the one that libraries of Standard Webhooks are tested with.
func TestSignature(t *testing.T) {
	key, err := ParseKey("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	sign(h, [][]byte{key}, pending{ID: "msg_p5jXN8AQM9LWM0D4loKWxJek", Body: json.RawMessage(`{"test": 2432232314}`)}, time.Unix(1614265330, 0))
	want := http.Header{
		"Webhook-Id": {"msg_p5jXN8AQM9LWM0D4loKWxJek"}, "Webhook-Timestamp": {"1614265330"},
		"Webhook-Signature": {"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="},
	}
	if d := cmp.Diff(want, h); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for _, bad := range []string{"", "whsec_s3cret!", "c2hvcnQ=", "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65))} {
		if _, err := ParseKey(bad); err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: got error %v, want one that does not show it", bad, err)
		}
	}
}

// hmacSHA256 is HMAC as RFC 2104 writes it, for keys up to a block.
func hmacSHA256(key []byte, text string) []byte {
	inner, outer := bytes.Repeat([]byte{0x36}, sha256.BlockSize), bytes.Repeat([]byte{0x5c}, sha256.BlockSize)
	for i, b := range key {
		inner[i] ^= b
		outer[i] ^= b
	}
	first := sha256.Sum256(append(inner, text...))
	second := sha256.Sum256(append(outer, first[:]...))
	return second[:]
}

// A hook is a webhook that answers as it is told to and keeps what it got.
type hook struct {
	t      *testing.T
	keys   [][]byte
	answer func(n int) int // status of the n-th request, from 0

	mu    sync.Mutex // guards what follows
	ids   []string
	after []string
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		h.t.Error(err)
	}
	stamp, err := strconv.ParseInt(r.Header.Get("webhook-timestamp"), 10, 64)
	if err != nil || time.Since(time.Unix(stamp, 0)).Abs() > time.Minute {
		h.t.Errorf("timestamp %d: error %v, want about now", stamp, err)
	}
	id := r.Header.Get("webhook-id")
	var signatures []string
	for _, key := range h.keys {
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(hmacSHA256(key, id+"."+r.Header.Get("webhook-timestamp")+"."+string(body))))
	}
	if got := strings.Fields(r.Header.Get("webhook-signature")); !slices.Equal(got, signatures) {
		h.t.Errorf("signatures %v, want %v", got, signatures)
	}
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || r.UserAgent() != "Gaikei/test" || r.Header.Get("X-Token") != "t" {
		h.t.Errorf("got %s with %v", r.Method, r.Header)
	}
	var e Event
	if err := json.Unmarshal(body, &e); err != nil || e.ID != id || e.After == nil || e.SchemaVersion != 1 || e.Link != page+"/#slo-a" {
		h.t.Errorf("event %s: error %v", body, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	w.WriteHeader(h.answer(len(h.ids)))
	h.ids, h.after = append(h.ids, id), append(h.after, *e.After)
}

// started is a Notifier whose rounds the test makes itself, and its team.
func started(t *testing.T, log io.Writer, timing Timing, rs ...Receiver) (*Notifier, *team) {
	t.Helper()
	n := New(Options{File: filepath.Join(t.TempDir(), "notify.json"), UserAgent: "Gaikei/test", Logger: slog.New(slog.NewTextHandler(log, nil)), Timing: timing})
	team := n.begin(t.Context(), &Config{Page: page, Receivers: rs})
	t.Cleanup(team.stop)
	return n, team
}

// until waits until a condition holds.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !cond() {
		select {
		case <-ctx.Done():
			t.Fatalf("half a minute has passed and not: %s", what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// TestWebhook: events arrive in order, signed with both keys; what was not taken is sent again under the same id.
func TestWebhook(t *testing.T) {
	t.Parallel()
	keys := [][]byte{bytes.Repeat([]byte{1}, 24), bytes.Repeat([]byte{2}, 64)}
	h := &hook{t: t, keys: keys, answer: func(n int) int {
		return []int{http.StatusInternalServerError, http.StatusTooManyRequests, http.StatusNoContent, http.StatusOK, http.StatusBadGateway, http.StatusAccepted}[n]
	}}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	n, team := started(t, t.Output(), Timing{Again: time.Millisecond}, Receiver{
		Name: "hook", Kind: Webhook, Timeout: 10 * time.Second,
		Target: func() (Target, error) {
			return Target{URL: srv.URL + "/s3cret", Header: http.Header{"X-Token": {"t"}}, Keys: keys}, nil
		},
	})
	for i, state := range []string{"watch", "investigate", "ok"} {
		alerts := n.book.update(time.Now().Add(time.Duration(i)*time.Millisecond), page, []sli.Notice{decision("a", state)})
		team.senders[0].tell(alerts)
	}
	s := team.senders[0]
	until(t, "all are told", func() bool { return s.sent.Load() == 3 && s.waiting.Load() == 0 })
	h.mu.Lock()
	defer h.mu.Unlock()
	if d := cmp.Diff([]string{"watch", "watch", "watch", "investigate", "ok", "ok"}, h.after); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	if h.ids[0] != h.ids[1] || h.ids[1] != h.ids[2] || h.ids[2] == h.ids[3] || h.ids[4] != h.ids[5] {
		t.Errorf("ids %v, want the same for the same event and no other", h.ids)
	}
	if s.failed.Load() != 3 || s.last.Load() == 0 || s.dropped.Load() != 0 {
		t.Errorf("got %d failed, %d dropped, last success %d; want 3, none, and some time", s.failed.Load(), s.dropped.Load(), s.last.Load())
	}
}

// TestTrouble: what does not arrive is told once when it begins and once when it is over, without what may be secret; redirects
// are not followed.
func TestTrouble(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	gone := make(chan struct{})
	var mu sync.Mutex
	turn := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		defer mu.Unlock()
		switch turn++; turn {
		case 1:
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		case 2:
			<-r.Context().Done() // it hangs
			close(gone)
		}
	}))
	t.Cleanup(srv.Close)
	var log strings.Builder
	n, team := started(t, &log, Timing{Again: time.Millisecond}, Receiver{
		Name: "hook", Kind: Webhook, Timeout: 200 * time.Millisecond,
		Target: func() (Target, error) { return Target{URL: srv.URL + "/s3cret?key=s3cret", Header: http.Header{}}, nil },
	})
	n.book.update(time.Now(), page, []sli.Notice{decision("a", "watch")})
	team.senders[0].tell(nil)
	until(t, "it is told", func() bool { return team.senders[0].sent.Load() == 1 })
	until(t, "the one that hung is gone", func() bool {
		select {
		case <-gone:
			return true
		default:
			return false
		}
	})
	team.stop()
	text := log.String()
	if strings.Count(text, "level=ERROR") != 1 || strings.Count(text, "level=INFO") != 1 || !strings.Contains(text, "redirects are not followed") || !strings.Contains(text, "receiver=hook") {
		t.Errorf("the log says %q, want trouble to begin once and to be over once", text)
	}
	if strings.Contains(text, "s3cret") {
		t.Errorf("the log shows the URL: %s", text)
	}
	if got := team.senders[0].failed.Load(); got != 2 {
		t.Errorf("got %d failed requests, want 2", got)
	}
}

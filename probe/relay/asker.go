package relay

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// ErrAway is wrapped by errors that say that the centre cannot be reached at the moment.
var ErrAway = errors.New("the aggregator cannot be reached")

// A RefusedError says that the centre was reached and did not take what was sent to it.
type RefusedError struct {
	Reason Refusal
}

// Error implements error.
func (e *RefusedError) Error() string { return "the aggregator refused: " + string(e.Reason) }

// An asker sends messages in the order of its calls, and waits for the answers to many of them at once.
type asker struct {
	conn  *nats.Conn
	inbox string

	mu      sync.Mutex
	asked   uint64
	waiting map[string]chan<- *nats.Msg // by the last token of the inbox
}

func newAsker(conn *nats.Conn) (*asker, error) {
	a := &asker{conn: conn, inbox: nats.NewInbox() + ".", waiting: make(map[string]chan<- *nats.Msg)}
	if _, err := conn.Subscribe(a.inbox+"*", a.hear); err != nil {
		return nil, fmt.Errorf("listen for answers: %w", err)
	}
	return a, nil
}

func (a *asker) hear(m *nats.Msg) {
	token := strings.TrimPrefix(m.Subject, a.inbox)
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.waiting[token]; c != nil {
		delete(a.waiting, token)
		c <- m
	}
}

// lose ends the waiting for answers that will not come, since the connection they were asked over has ended.
func (a *asker) lose() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for token, c := range a.waiting {
		delete(a.waiting, token)
		close(c)
	}
}

// A question is one that was sent and not answered yet.
type question struct {
	a     *asker
	token string
	heard chan *nats.Msg
}

// send sends a message. It does not wait.
func (a *asker) send(subject string, data []byte) (question, error) {
	c := make(chan *nats.Msg, 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked++
	token := strconv.FormatUint(a.asked, 36)
	if err := a.conn.PublishRequest(subject, a.inbox+token, data); err != nil {
		return question{}, fmt.Errorf("%w: %w", ErrAway, err)
	}
	a.waiting[token] = c
	return question{a: a, token: token, heard: c}, nil
}

// answer waits for the answer and returns what was in it.
func (q question) answer(ctx context.Context) ([]byte, error) {
	select {
	case m, ok := <-q.heard:
		if !ok {
			return nil, ErrAway
		}
		return read(m)
	case <-ctx.Done():
		q.a.mu.Lock()
		defer q.a.mu.Unlock()
		delete(q.a.waiting, q.token)
		select {
		case m, ok := <-q.heard: // it came as the time was up
			if ok {
				return read(m)
			}
		default:
		}
		return nil, fmt.Errorf("wait for the aggregator's answer: %w", ctx.Err())
	}
}

// within waits for the answer to what needs no more answer than that it was taken.
func (q question) within(ctx context.Context, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	_, err := q.answer(ctx)
	return err
}

// read takes an answer apart.
func read(m *nats.Msg) ([]byte, error) {
	switch {
	case m.Header.Get("Status") == "503":
		return nil, fmt.Errorf("%w: nobody answers there", ErrAway)
	case len(m.Data) > 0 && m.Data[0] == answerTaken:
		return m.Data[1:], nil
	case len(m.Data) > 0 && m.Data[0] == answerRefused:
		return nil, &RefusedError{Reason: Refusal(m.Data[1:])}
	}
	return nil, fmt.Errorf("the aggregator's answer is %.20q, want one that begins with %q or %q", m.Data, answerTaken, answerRefused)
}

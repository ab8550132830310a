package relay

import (
	"fmt"
	"log/slog"
	"sync"
)

const seenMost = 256 // formats remembered

// A serverLog takes the server's log. A broken disk makes the server complain of every message and at every
// reopening, so each kind of complaint is a warning once until the queue works again, and is for debugging after that.
type serverLog struct {
	log *slog.Logger

	mu       sync.Mutex
	seen     map[string]bool // formats
	last     string          // newest complaint
	dead     error           // why the server cannot work at all
	clients  *offences       // take the complaints about clients; nil: they are like others
	watchers map[int]func(error)
	watches  int
}

func newServerLog(log *slog.Logger) *serverLog {
	return &serverLog{log: log.With("part", "queue server"), seen: make(map[string]bool), watchers: make(map[int]func(error))}
}

// watch calls f with every error that the server logs until stop is called. To a put that the disk refused the
// server gives no answer, only such an error.
func (l *serverLog) watch(f func(error)) (stop func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watches++
	id := l.watches
	l.watchers[id] = f
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.watchers, id)
	}
}

func (l *serverLog) fail(format string, v []any) {
	l.complain(format, v)
	err := fmt.Errorf(format, v...)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.watchers {
		f(err)
	}
}

// die takes what would have ended a server that is a process of its own.
func (l *serverLog) die(format string, v []any) {
	l.mu.Lock()
	l.dead = fmt.Errorf(format, v...)
	l.mu.Unlock()
	l.fail(format, v)
}

// fatal returns why the server cannot work, nil if it can, and forgets it.
func (l *serverLog) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.dead
	l.dead = nil
	return err
}

func (l *serverLog) complain(format string, v []any) {
	text := fmt.Sprintf(format, v...)
	if l.clients != nil && l.clients.note(text) {
		l.log.Debug(text)
		return
	}
	l.mu.Lock()
	first := !l.seen[format] && len(l.seen) < seenMost
	if first {
		l.seen[format] = true
	}
	l.last = text
	l.mu.Unlock()
	if first {
		l.log.Warn(text)
	} else {
		l.log.Debug(text)
	}
}

// forget makes complaints warnings again.
func (l *serverLog) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.seen)
}

// complaint returns the newest complaint, or "no complaint".
func (l *serverLog) complaint() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last == "" {
		return "no complaint"
	}
	return l.last
}

// What follows implements server.Logger. Notices are about a server that people run; this one they do not know.

func (l *serverLog) Warnf(format string, v ...any)   { l.complain(format, v) }
func (l *serverLog) Errorf(format string, v ...any)  { l.fail(format, v) }
func (l *serverLog) Fatalf(format string, v ...any)  { l.die(format, v) }
func (l *serverLog) Noticef(format string, v ...any) {}
func (l *serverLog) Debugf(format string, v ...any)  {}
func (l *serverLog) Tracef(format string, v ...any)  {}

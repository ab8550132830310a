//go:build chaos

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A process of TestChaos can be started again and again. Its log goes on in one file.
type process struct {
	name string
	args []string // with what puts it into its namespace
	env  []string
	log  string // path
	said func(line string)

	// patient ones are started again when they end because they cannot reach something, as a service manager does.
	patient bool

	mu      sync.Mutex // guards what follows
	cmd     *exec.Cmd  // nil: it does not run
	in      io.WriteCloser
	gone    chan struct{} // closed when it has ended
	ending  bool          // somebody wants it to end
	faults  []string      // how it ended by itself
	retries int
}

// start starts it, with further arguments for this time. It does not wait until it is ready.
func (p *process) start(more ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != nil {
		return fmt.Errorf("start %s: %w", p.name, errRuns)
	}
	file, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	words := append(p.args[:len(p.args):len(p.args)], more...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // it must not outlive the test
	r, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	if p.in, err = cmd.StdinPipe(); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", p.name, err), file.Close())
	}
	p.cmd, p.ending, p.gone = cmd, false, make(chan struct{})
	go func() {
		defer file.Close()
		lines := bufio.NewReader(r)
		for {
			line, err := lines.ReadString('\n')
			file.WriteString(line)
			if p.said != nil && line != "" {
				p.said(line)
			}
			if err != nil {
				return
			}
		}
	}()
	go p.await(cmd, w, p.gone)
	return nil
}

func (p *process) await(cmd *exec.Cmd, w *io.PipeWriter, gone chan struct{}) {
	err := cmd.Wait()
	w.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := (*exec.ExitError)(nil); !p.ending && errors.As(err, &e) && e.ExitCode() == exitUnreachable && p.patient {
		p.retries++
		time.AfterFunc(time.Second, p.retry)
	} else if !p.ending {
		p.faults = append(p.faults, fmt.Sprintf("%s ended by itself at %s: %v", p.name, time.Now().UTC().Format(time.RFC3339Nano), err))
	}
	p.cmd = nil
	close(gone)
}

// retry starts it again, unless somebody else has, or wants it to stay away.
func (p *process) retry() {
	p.mu.Lock()
	due := p.cmd == nil && !p.ending
	p.mu.Unlock()
	if !due {
		return
	}
	if err := p.start(); err != nil && !errors.Is(err, errRuns) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.faults = append(p.faults, err.Error())
	}
}

// errRuns says that a process is there already.
var errRuns = errors.New("it runs already")

// signal sends a signal; one that is meant to end the process is followed by finish.
func (p *process) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return fmt.Errorf("%s does not run", p.name)
	}
	return p.cmd.Process.Signal(s)
}

// kill ends it as a power cut would, and waits until it is gone.
func (p *process) kill() error { return p.end(syscall.SIGKILL, 20*time.Second) }

// stop ends it in order.
func (p *process) stop() error { return p.end(syscall.SIGTERM, time.Minute) }

func (p *process) end(s syscall.Signal, patience time.Duration) error {
	p.mu.Lock()
	cmd, gone := p.cmd, p.gone
	p.ending = true
	p.mu.Unlock()
	if cmd == nil {
		return nil
	}
	if err := cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-gone:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("%s goes on %v after %v", p.name, patience, s)
	}
}

// tell writes a line to its standard input.
func (p *process) tell(line string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := io.WriteString(p.in, line+"\n")
	return err
}

func (p *process) runs() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd != nil
}

func (p *process) endedByItself() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.faults
}

// logged is what it has printed in all its lives.
func (p *process) logged() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// played makes a process of the test binary, in a role.
func played(name, role, log string, in []string, args ...string) *process {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	return &process{
		name: name, log: log, args: append(in[:len(in):len(in)], self),
		env: []string{chaosRole + "=" + role, chaosArguments + "=" + strings.Join(args, "\n")},
	}
}

//go:build unix

package probe

import (
	"context"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// cpu is the processor time of this process, in user and kernel mode; nginx is another process.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkHTTP shows what a probe costs beside a bare loop of net/http without keep-alive, in processor
// time: cpu-µs/op.
func BenchmarkHTTP(b *testing.B) {
	path, dir, address := program(b, "nginx", "nginx"), b.TempDir(), freePort(b)
	url := "http://" + address + "/"
	daemon(b, &HTTP{URL: url}, path, "-e", "stderr", "-p", dir, "-c", write(b, dir, "nginx.conf", nginxConf(dir, address)+"}\n"))

	measure := func(b *testing.B, once func(context.Context) error) {
		b.ReportAllocs()
		before := cpu(b)
		for b.Loop() {
			ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
			if err := once(ctx); err != nil {
				b.Fatal(err)
			}
			cancel()
		}
		b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
	}
	b.Run("bare", func(b *testing.B) {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		measure(b, func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			resp, err := client.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			_, err = io.Copy(io.Discard, resp.Body)
			return err
		})
	})
	b.Run("probe", func(b *testing.B) {
		h := &HTTP{URL: url, Body: BodyMatch{Contains: []string{"KiB"}}}
		if ps := h.Validate(); ps != nil {
			b.Fatal(ps)
		}
		measure(b, func(ctx context.Context) error {
			if a := h.Attempt(ctx, &World{}); a.Reason != ReasonNone {
				return &failure{a}
			}
			return nil
		})
	})
}

type failure struct{ a Attempt }

func (f *failure) Error() string { return f.a.Reason.String() + ": " + f.a.Detail.Error }

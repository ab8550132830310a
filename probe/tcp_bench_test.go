//go:build unix

package probe

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"testing"
	"time"
)

// BenchmarkTCP shows what a probe costs beside a bare loop over package net, in processor time: cpu-µs/op. The server
// is another process.
func BenchmarkTCP(b *testing.B) {
	path, dir, address := program(b, "nginx", "nginx"), b.TempDir(), freePort(b)
	daemon(b, &TCP{Address: address}, path, "-e", "stderr", "-p", dir, "-c", write(b, dir, "nginx.conf", nginxConf(dir, address)+"}\n"))
	const request, answer = "GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n"
	measure := func(name string, once func(context.Context) error) {
		b.Run(name, func(b *testing.B) {
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
		})
	}
	bare := func(ctx context.Context, with func(net.Conn) error) error {
		d := net.Dialer{KeepAlive: -1}
		c, err := d.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		defer c.Close()
		deadline, _ := ctx.Deadline()
		_ = c.SetDeadline(deadline)
		return with(c)
	}
	probed := func(c *TCP) func(context.Context) error {
		c.Address = address
		if ps := c.Validate(); ps != nil {
			b.Fatal(ps)
		}
		return func(ctx context.Context) error {
			if a := c.Attempt(ctx, &World{}); a.Reason != ReasonNone {
				return &failure{a}
			}
			return nil
		}
	}
	measure("bare/connect", func(ctx context.Context) error { return bare(ctx, func(net.Conn) error { return nil }) })
	measure("probe/connect", probed(&TCP{}))
	measure("bare/dialogue", func(ctx context.Context) error {
		return bare(ctx, func(c net.Conn) error {
			if _, err := c.Write([]byte(request)); err != nil {
				return err
			}
			buf := make([]byte, 4096)
			if n, err := c.Read(buf); err != nil || !bytes.HasPrefix(buf[:n], []byte(answer)) {
				return fmt.Errorf("read %q: %w", buf[:n], err)
			}
			return nil
		})
	})
	measure("probe/dialogue", probed(&TCP{Dialogue: []Step{send(request), {ExpectText: answer}}}))
	measure("probe/dialogue by expression", probed(&TCP{Dialogue: []Step{send(request), expect(`^HTTP/1\.[01] 200 OK\r\n`)}}))
}

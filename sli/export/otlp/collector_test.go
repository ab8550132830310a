//go:build collector

package otlp

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/gaikei/gaikei/internal/otlptest"
)

// TestCollector sends to the receiver of an OpenTelemetry Collector, in a process of its own. It is built from a module of
// its own, which takes minutes and many modules, so only `make otlp` does.
func TestCollector(t *testing.T) {
	program := filepath.Join(t.TempDir(), "otlpcollector")
	build := exec.Command("go", "build", "-C", "../../../internal/otlpcollector", "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", build, err, out)
	}
	web, grpc := freeAddress(t), freeAddress(t)
	cmd := exec.CommandContext(t.Context(), program, "-http", web, "-grpc", grpc)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Cancel()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the collector: %v", err)
		}
	}()
	lines := bufio.NewReader(out)
	line := func() string {
		text, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("the collector's output: %v", err)
		}
		return text
	}
	if text := line(); text != "receiving\n" {
		t.Fatalf("got %q, want that it is receiving", text)
	}
	f := newFigures()
	for p, at := range map[Protocol]string{HTTP: web, GRPC: grpc} {
		s := open(t, &otlptest.Receiver{URL: "http://" + at}, p, f)
		for i := range 2 {
			f.seconds.WithLabelValues("shop", "good").Inc()
			if err := s.Send(context.Background(), nil); err != nil {
				t.Fatalf("protocol %d: %v", p, err)
			}
			got := &collector.ExportMetricsServiceRequest{}
			if err := protojson.Unmarshal([]byte(line()), got); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(f.shown(t), otlptest.Samples(got)); d != "" {
				t.Errorf("protocol %d, sending %d: -metrics +collected:\n%s", p, i, d)
			}
			if who := otlptest.Resource(got)["service.name"]; who != "gaikei" {
				t.Errorf("protocol %d: got resource %q", p, who)
			}
			began(t, fmt.Sprint("protocol ", p), []otlptest.Request{{Metrics: got}})
		}
		s.Close()
	}
}

// freeAddress returns an address of loopback that was free a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

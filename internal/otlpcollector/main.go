// Command otlpcollector is the OTLP receiver of an OpenTelemetry Collector, alone: when it listens it says so, and what
// it takes it prints, as JSON, a request a line. It is a module of its own, so that a test can hold Gaikei against the real
// thing and Gaikei does not depend on it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
)

func main() {
	grpc := flag.String("grpc", "127.0.0.1:4317", "`address` for gRPC")
	http := flag.String("http", "127.0.0.1:4318", "`address` for HTTP")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := receive(ctx, *grpc, *http); err != nil {
		fmt.Fprintln(os.Stderr, "otlpcollector:", err)
		os.Exit(1)
	}
}

// receive takes metrics until ctx ends.
func receive(ctx context.Context, grpc, http string) error {
	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	if err := confmap.NewFromStringMap(map[string]any{"protocols": map[string]any{
		"grpc": map[string]any{"endpoint": grpc},
		"http": map[string]any{"endpoint": http},
	}}).Unmarshal(config); err != nil {
		return err
	}
	printed, err := consumer.NewMetrics(printMetrics)
	if err != nil {
		return err
	}
	r, err := factory.CreateMetrics(ctx, receiver.Settings{
		ID: component.NewID(factory.Type()), TelemetrySettings: componenttest.NewNopTelemetrySettings(),
	}, config, printed)
	if err != nil {
		return err
	}
	if err := r.Start(ctx, componenttest.NewNopHost()); err != nil {
		return err
	}
	fmt.Println("receiving")
	<-ctx.Done()
	return r.Shutdown(context.WithoutCancel(ctx))
}

func printMetrics(_ context.Context, ms pmetric.Metrics) error {
	line, err := (&pmetric.JSONMarshaler{}).MarshalMetrics(ms)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(append(line, '\n')) // at once: several requests may come at a time
	return err
}

// Package otlptest is a receiver of the OpenTelemetry protocol for tests: a real HTTP or gRPC server on loopback that reads
// what arrives with the protocol's own generated code.
package otlptest

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/protobuf/proto"

	_ "google.golang.org/grpc/encoding/gzip" // which every receiver must understand
)

// A Request is what arrived at once.
type Request struct {
	Path     string            // of HTTP
	Header   map[string]string // of HTTP, or the metadata of gRPC, with names in lower case
	Encoding string            // "gzip", or nothing
	Metrics  *collector.ExportMetricsServiceRequest
}

// A Receiver takes metrics until its test ends. It is safe for concurrent use.
type Receiver struct {
	URL string // scheme, host and port
	CA  string // PEM, of https

	collector.UnimplementedMetricsServiceServer
	mu       sync.Mutex
	requests []Request
	answer   *collector.ExportMetricsServiceResponse
}

// Security is how a Receiver is spoken to.
type Security uint8

// The ways to speak to a Receiver.
const (
	Plain Security = iota
	TLS            // with a certificate that only its CA vouches for
)

// HTTP starts a receiver of protobuf over HTTP.
func HTTP(t testing.TB, s Security) *Receiver {
	r := &Receiver{}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(r.post))
	if s == TLS {
		srv.StartTLS()
		r.CA = caOf(srv)
	} else {
		srv.Start()
	}
	t.Cleanup(srv.Close)
	r.URL = srv.URL
	return r
}

// GRPC starts a receiver of gRPC.
func GRPC(t testing.TB, s Security) *Receiver {
	r := &Receiver{URL: "http://"}
	options := []grpc.ServerOption{grpc.StatsHandler(encodings{})}
	if s == TLS {
		lender := httptest.NewTLSServer(nil) // has a certificate for loopback
		t.Cleanup(lender.Close)
		r.URL, r.CA = "https://", caOf(lender)
		options = append(options, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: lender.TLS.Certificates})))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.URL += l.Addr().String()
	srv := grpc.NewServer(options...)
	collector.RegisterMetricsServiceServer(srv, r)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = srv.Serve(l) // until it is stopped
	}()
	t.Cleanup(func() {
		srv.Stop()
		<-ended
	})
	return r
}

func caOf(srv *httptest.Server) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
}

// Answer has all further requests be answered so; nil: with full success.
func (r *Receiver) Answer(a *collector.ExportMetricsServiceResponse) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = a
}

// Requests returns what arrived, in order.
func (r *Receiver) Requests() []Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.requests[:len(r.requests):len(r.requests)]
}

func (r *Receiver) take(q Request) *collector.ExportMetricsServiceResponse {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, q)
	if r.answer == nil {
		return &collector.ExportMetricsServiceResponse{}
	}
	return r.answer
}

// post takes a request of HTTP.
func (r *Receiver) post(w http.ResponseWriter, h *http.Request) {
	q := Request{Path: h.URL.Path, Header: map[string]string{}, Encoding: h.Header.Get("Content-Encoding"), Metrics: &collector.ExportMetricsServiceRequest{}}
	for name := range h.Header {
		q.Header[strings.ToLower(name)] = h.Header.Get(name)
	}
	var body io.Reader = h.Body
	var err error
	if q.Encoding == "gzip" {
		body, err = gzip.NewReader(h.Body)
	}
	var data []byte
	if err == nil {
		data, err = io.ReadAll(body)
	}
	if err == nil {
		err = proto.Unmarshal(data, q.Metrics)
	}
	if err != nil || h.Method != http.MethodPost || h.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "no metrics in protobuf", http.StatusBadRequest)
		return
	}
	answer, _ := proto.Marshal(r.take(q))
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(answer)
}

// Export takes a request of gRPC.
func (r *Receiver) Export(ctx context.Context, m *collector.ExportMetricsServiceRequest) (*collector.ExportMetricsServiceResponse, error) {
	q := Request{Header: map[string]string{}, Metrics: m}
	q.Encoding, _ = ctx.Value(encodingKey{}).(*encoding).get()
	md, _ := metadata.FromIncomingContext(ctx)
	for name, values := range md {
		q.Header[name] = values[0]
	}
	return r.take(q), nil
}

// encodings notes how requests of gRPC are compressed, which only statistics are told.
type encodings struct{}

type encodingKey struct{}

type encoding struct {
	mu   sync.Mutex
	name string
}

func (e *encoding) get() (string, bool) {
	if e == nil {
		return "", false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.name, true
}

// TagRPC implements stats.Handler.
func (encodings) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, encodingKey{}, &encoding{})
}

// HandleRPC implements stats.Handler.
func (encodings) HandleRPC(ctx context.Context, s stats.RPCStats) {
	in, isHeader := s.(*stats.InHeader)
	if e, ok := ctx.Value(encodingKey{}).(*encoding); ok && isHeader {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.name = in.Compression
	}
}

// TagConn implements stats.Handler.
func (encodings) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (encodings) HandleConn(context.Context, stats.ConnStats) {}

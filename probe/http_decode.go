package probe

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// A ContentCoding is a way in which the body of an answer may be compressed.
type ContentCoding uint8

// The content codings.
const (
	CodingGzip    ContentCoding = iota + 1
	CodingDeflate               // zlib (RFC 9110, section 8.4.1.2), or deflate without it, as some servers send
	CodingBrotli
	CodingZstd
)

var codingNames = [...]string{CodingGzip: "gzip", CodingDeflate: "deflate", CodingBrotli: "br", CodingZstd: "zstd"}

// UnmarshalText reads gzip, deflate, br or zstd.
func (c *ContentCoding) UnmarshalText(text []byte) error {
	i := slices.Index(codingNames[:], string(text))
	if i <= 0 {
		return fmt.Errorf("%q is no content coding; use gzip, deflate, br or zstd", clip(string(text), 40))
	}
	*c = ContentCoding(i)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (c ContentCoding) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// String returns the name of the coding in HTTP.
func (c ContentCoding) String() string {
	if c > 0 && int(c) < len(codingNames) {
		return codingNames[c]
	}
	return "coding?"
}

// maxDecodeWindow is how far back a compressed body may refer, in bytes: what RFC 9659 permits zstd. Brotli may go twice as far, and
// gzip and deflate 32 KiB.
const maxDecodeWindow = 8 << 20

func (h *HTTP) checkCompression(r *httpReady) []Problem {
	if len(h.Compression) == 0 {
		return nil
	}
	ps := r.clash("Accept-Encoding", "compression")
	names := make([]string, len(h.Compression))
	for i, c := range h.Compression {
		names[i] = c.String()
		if slices.Contains(h.Compression[:i], c) {
			ps = append(ps, Problem{Field: "compression", Message: fmt.Sprintf("%s is there twice", c)})
		}
	}
	r.accept = []string{strings.Join(names, ", ")}
	return ps
}

// coded returns how an answer's body is compressed, as far as that was asked for; zero if it is not. An error is about a coding
// that nobody asked for.
func (h *HTTP) coded(resp *http.Response) (ContentCoding, error) {
	if len(h.Compression) == 0 {
		return 0, nil
	}
	name := strings.ToLower(strings.TrimSpace(strings.Join(resp.Header["Content-Encoding"], ", ")))
	switch name {
	case "", "identity":
		return 0, nil
	case "x-gzip":
		name = "gzip" // RFC 9110, section 8.4.1.3
	}
	if i := slices.Index(codingNames[:], name); i > 0 && slices.Contains(h.Compression, ContentCoding(i)) {
		return ContentCoding(i), nil
	}
	return 0, fmt.Errorf("the body is encoded as %q, and was asked for as %s", clip(name, 80), h.ready.accept[0])
}

// A codedBody decodes a body while it is read. What came over the wire is bounded as well as what comes out: empty frames could
// otherwise go on for ever. It is for one goroutine.
type codedBody struct {
	coding ContentCoding
	wire   wireBody
	begun  []byte // of what came
	out    io.Reader
	close  func()
}

// A wireBody counts what is read, up to a limit, and keeps the error that ended it.
type wireBody struct {
	src  io.Reader
	left int64
	size int64
	err  error
}

// Read implements io.Reader.
func (w *wireBody) Read(b []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.src.Read(b)
	w.size += int64(n)
	if w.left -= int64(n); w.left < 0 {
		err = errTooLarge
	}
	w.err = err
	return n, err
}

// newCodedBody reads the beginning of a body. If that is all of it, decoding is left to after the clock has stopped.
func newCodedBody(c ContentCoding, src io.Reader, limit int64) *codedBody {
	// What cannot be compressed grows by less than this in all codings.
	left := limit + min(limit/64, math.MaxInt64-limit-(64<<10)) + 64<<10
	b := &codedBody{coding: c, wire: wireBody{src: src, left: left}, close: func() {}}
	head := make([]byte, 2048)
	for n := 0; b.wire.err == nil && n < wholeBody; b.begun = head[:n] {
		if n == len(head) {
			head = append(head, make([]byte, len(head))...)
		}
		m, _ := b.wire.Read(head[n:])
		n += m
	}
	return b
}

// Read implements io.Reader. What broke off the body comes before what the decoder makes of it.
func (b *codedBody) Read(p []byte) (int, error) {
	if b.out == nil {
		if err := b.open(); err != nil {
			return 0, b.fault(err)
		}
	}
	n, err := b.out.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = b.fault(err)
	}
	return n, err
}

func (b *codedBody) fault(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return io.EOF
	case b.wire.err != nil && !errors.Is(b.wire.err, io.EOF):
		return b.wire.err
	}
	return fmt.Errorf("decode %s: %w", b.coding, err)
}

// open makes the decoder. An empty body is one, whatever it is said to be encoded as: answers without a body have the header too.
func (b *codedBody) open() error {
	if len(b.begun) == 0 && b.wire.err != nil {
		return b.wire.err
	}
	src := bufio.NewReader(io.MultiReader(bytes.NewReader(b.begun), &b.wire))
	var err error
	switch b.coding {
	case CodingGzip:
		b.out, err = gzip.NewReader(src)
	case CodingDeflate:
		b.out, err = newDeflate(src)
	case CodingBrotli:
		b.out = brotli.NewReader(src)
	case CodingZstd:
		var d *zstd.Decoder
		d, err = zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxDecodeWindow), zstd.WithDecoderMaxMemory(2*maxDecodeWindow))
		if err == nil {
			b.out, b.close = d, d.Close
		}
	}
	return err
}

// newDeflate reads deflate with or without the envelope of zlib, which shows in its first two bytes (RFC 1950, section 2.2).
func newDeflate(src *bufio.Reader) (io.Reader, error) {
	head, err := src.Peek(2)
	if err == nil && head[0]&0xf == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(src)
	}
	return flate.NewReader(src), nil
}

// readBody reads the body of the last answer to its end or its limit.
func (x *exchange) readBody(resp *http.Response) {
	defer func() {
		if x.quic != nil && x.readErr != nil && x.ctx.Err() != nil {
			x.readErr = fmt.Errorf("%w: %w", x.ctx.Err(), x.readErr) // package http3 only says that it gave up
		}
	}()
	m := &x.h.Body
	coding, err := x.h.coded(resp)
	if coding == 0 {
		x.read(newBodyScan(m, resp.Body, resp.ContentLength))
		x.badCoding = err
		return
	}
	b := newCodedBody(coding, resp.Body, m.limit())
	defer func() { b.close() }()
	if errors.Is(b.wire.err, io.EOF) {
		x.t.leave()
	}
	x.read(newBodyScan(m, b, -1))
	x.wireSize = b.wire.size
}

// read reads a body.
func (x *exchange) read(scan *bodyScan) {
	x.scan = scan
	scan.ctx, scan.keep = x.ctx, x.h.ready.keepBody
	x.readErr = scan.read()
	if x.readErr != nil && x.head != nil && isTimeout(x.ctx, x.head.err) {
		// Silence in a trailer is told as one that is too long.
		x.readErr = x.head.err
	}
}

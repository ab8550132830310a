package probe

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

// compressed is a text in a coding, as the usual encoders make it.
func compressed(t testing.TB, coding, text string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	switch coding {
	case "gzip", "x-gzip":
		w = gzip.NewWriter(&b)
	case "deflate":
		w = zlib.NewWriter(&b)
	case "raw":
		w, _ = flate.NewWriter(&b, flate.BestCompression)
	case "br":
		w = brotli.NewWriter(&b)
	case "zstd":
		w, _ = zstd.NewWriter(&b)
	default:
		return text
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var allCodings = []ContentCoding{CodingGzip, CodingDeflate, CodingBrotli, CodingZstd}

func TestCompression(t *testing.T) {
	long := strings.Repeat("all work and no play ", 30_000) // over wholeBody also as it streams
	accepted := make(chan string, 1)
	base := web(t, func(w http.ResponseWriter, r *http.Request) {
		accepted <- r.Header.Get("Accept-Encoding")
		coding, text := r.FormValue("coding"), "some text"
		if r.FormValue("long") != "" {
			text = long
		}
		body := compressed(t, coding, text)
		if r.FormValue("empty") != "" {
			body = ""
		}
		w.Header().Set("Content-Encoding", strings.Replace(coding, "raw", "deflate", 1))
		_, _ = io.WriteString(w, body)
	})
	tests := []struct {
		query string
		http  HTTP
		size  int
		want  Reason
	}{
		{"coding=gzip", HTTP{Compression: allCodings, Body: BodyMatch{Contains: []string{"some text"}}}, 9, ReasonNone},
		{"coding=x-gzip", HTTP{Compression: allCodings, Body: BodyMatch{Contains: []string{"some text"}}}, 9, ReasonNone},
		{"coding=deflate", HTTP{Compression: allCodings, Body: BodyMatch{Contains: []string{"some text"}}}, 9, ReasonNone},
		{"coding=raw", HTTP{Compression: allCodings, Body: BodyMatch{Contains: []string{"some text"}}}, 9, ReasonNone},
		{"coding=br", HTTP{Compression: allCodings, Body: BodyMatch{Contains: []string{"some text"}}}, 9, ReasonNone},
		{"coding=zstd", HTTP{Compression: allCodings, Body: BodyMatch{Contains: []string{"some text"}}}, 9, ReasonNone},
		{"coding=identity", HTTP{Compression: allCodings, Body: BodyMatch{Contains: []string{"some text"}}}, 9, ReasonNone},
		{"coding=gzip&empty=1", HTTP{Compression: allCodings}, 0, ReasonNone},
		{"coding=gzip", HTTP{Method: "HEAD", Compression: allCodings}, 0, ReasonNone},
		{"coding=gzip&long=1", HTTP{Compression: allCodings, Body: BodyMatch{Contains: []string{"play all work"}}}, len(long), ReasonNone},
		{"coding=br&long=1", HTTP{Compression: allCodings, Body: BodyMatch{NotContains: []string{"absent"}}}, len(long), ReasonNone},
		{"coding=zstd&long=1", HTTP{Compression: allCodings, Body: BodyMatch{Contains: []string{"absent"}}}, len(long), Body},
		{"coding=gzip&long=1", HTTP{Compression: allCodings, Body: BodyMatch{MaxSize: 1000}}, 0, TooLarge},
		{"coding=gzip", HTTP{Compression: []ContentCoding{CodingBrotli}}, 0, Protocol},
		{"coding=gzip,+gzip", HTTP{Compression: allCodings}, 0, Protocol},
		// What nobody asked for is not decoded.
		{"coding=gzip", HTTP{Body: BodyMatch{NotContains: []string{"some text"}}}, 0, ReasonNone},
	}
	for _, tt := range tests {
		t.Run(tt.query, func(t *testing.T) {
			tt.http.URL = base + "/?" + tt.query
			a := look(t, &tt.http)
			wantReason(t, &a, tt.want)
			wantSpans(t, &a)
			if tt.size > 0 && a.Detail.BodyBytes != int64(tt.size) {
				t.Errorf("decoded size -want +got:\n- %d\n+ %d", tt.size, a.Detail.BodyBytes)
			}
			if small := tt.size == len(long); small && (a.Detail.WireBytes == 0 || a.Detail.WireBytes > int64(tt.size/10)) {
				t.Errorf("%d bytes came, want few", a.Detail.WireBytes)
			}
			var want []string
			for _, c := range tt.http.Compression {
				want = append(want, c.String())
			}
			if got := <-accepted; got != strings.Join(want, ", ") {
				t.Errorf("Accept-Encoding -want +got:\n- %s\n+ %s", strings.Join(want, ", "), got)
			}
		})
	}
}

// A hostileCoded is a web server whose body is not what it seems.
type hostileCoded struct {
	name  string
	serve func(net.Conn)
	want  Reason
}

func (h *hostileCoded) kind(t testing.TB) Kind {
	return &HTTP{URL: "http://" + serve(t, h.serve), Compression: allCodings, Body: BodyMatch{Contains: []string{"absent"}, MaxSize: 64 << 10}}
}

// compressionBombs are bodies that are small as they come, or that decode to nothing.
func compressionBombs(t testing.TB) []hostileCoded {
	zeros := strings.Repeat("\x00", 2<<20)
	bomb := func(coding, body string) func(net.Conn) {
		return says(ok200 + "Content-Encoding: " + coding + "\r\nConnection: close\r\n\r\n" + body)
	}
	forever := func(coding, body string) func(net.Conn) {
		return floods(ok200+"Content-Encoding: "+coding+"\r\n\r\n", body)
	}
	window := "\x28\xb5\x2f\xfd\x00\xa0\x01\x00\x00" // a frame of zstd with a window of a GiB
	return []hostileCoded{
		{"gzip", bomb("gzip", compressed(t, "gzip", zeros)), TooLarge},
		{"deflate", bomb("deflate", compressed(t, "deflate", zeros)), TooLarge},
		{"deflate without zlib", bomb("deflate", compressed(t, "raw", zeros)), TooLarge},
		{"brotli", bomb("br", compressed(t, "br", zeros)), TooLarge},
		{"zstd", bomb("zstd", compressed(t, "zstd", zeros)), TooLarge},
		{"zstd with a huge window", bomb("zstd", window), Protocol},
		{"gzip of gzip, in one header", bomb("gzip, gzip", compressed(t, "gzip", compressed(t, "gzip", zeros))), Protocol},
		{"empty members for ever", forever("gzip", compressed(t, "gzip", "")), TooLarge},
		{"empty blocks for ever", forever("deflate", "\x00\x00\x00\xff\xff"), TooLarge},
		{"empty frames for ever", forever("zstd", "\x50\x2a\x4d\x18\x04\x00\x00\x00skip"), TooLarge},
		{"a name for ever", forever("gzip", "\x1f\x8b\x08\x08\x00\x00\x00\x00\x00\x00name"), Protocol},
		{"garbage", bomb("gzip", "no gzip at all"), Protocol},
		{"garbage for ever", forever("br", "\xff\xfe\xfd"), Protocol},
		{"cut off", bomb("gzip", compressed(t, "gzip", "some text")[:12]), Protocol},
		{"checksum", bomb("gzip", compressed(t, "gzip", "some text")[:20]+"\x00\x00\x00\x00\x09\x00\x00\x00"), Protocol},
		{"stalls", saysAndHangs(ok200 + "Content-Encoding: gzip\r\n\r\n" + compressed(t, "gzip", "some text")[:12]), TooSlow},
	}
}

// TestCompressionBombs: what a small body decodes to is bounded, and so is a body that decodes to nothing.
func TestCompressionBombs(t *testing.T) {
	for _, tt := range compressionBombs(t) {
		t.Run(tt.name, func(t *testing.T) {
			k := tt.kind(t)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			a := attempt(t, k, &World{}, patience(tt.want))
			runtime.ReadMemStats(&after)
			wantReason(t, &a, tt.want)
			if took := after.TotalAlloc - before.TotalAlloc; took > 32<<20 {
				t.Errorf("the attempt allocated %d MiB", took>>20)
			}
			if a.Detail.Error == "" {
				t.Error("there is no error, want one that says what is wrong")
			}
		})
	}
}

// TestDecodingIsNoLatency: a body that is there to its end is decoded after the clock has stopped.
func TestDecodingIsNoLatency(t *testing.T) {
	body := compressed(t, "gzip", strings.Repeat("x", 1<<20))
	src := &strings.Builder{}
	src.WriteString(body)
	b := newCodedBody(CodingGzip, strings.NewReader(src.String()), 1<<20)
	if b.wire.err != io.EOF || b.out != nil {
		t.Fatalf("after the beginning of a body of %d bytes: %v, decoder %v; want its end, and none yet", len(body), b.wire.err, b.out)
	}
	if got, err := io.ReadAll(b); err != nil || len(got) != 1<<20 {
		t.Errorf("decoded %d bytes, %v; want a MiB", len(got), err)
	}
	if got := fmt.Sprint(b.wire.size); got != fmt.Sprint(len(body)) {
		t.Errorf("wire size -want +got:\n- %d\n+ %s", len(body), got)
	}
}

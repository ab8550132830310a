package probe

import (
	"bytes"
	"io"
	"math"
	"net"
	"slices"
	"testing"
	"testing/iotest"
)

// A scripted connection says what it is told to.
type scripted struct {
	net.Conn
	io.Reader
}

// Read implements net.Conn.
func (s scripted) Read(b []byte) (int, error) { return s.Reader.Read(b) }

// knownFrames is a slow and plain oracle of what a framesConn passes on: whole frames of known types, the beginning of one that is
// cut off, and all of what is no frame.
func knownFrames(data []byte) []byte {
	var out []byte
	for len(data) > 0 {
		if len(data) < frameHead {
			return append(out, data...)
		}
		length := int(data[0])<<16 | int(data[1])<<8 | int(data[2])
		if length > maxFrame {
			return append(out, data...)
		}
		whole := data[:min(frameHead+length, len(data))]
		if data[frameType] <= lastFrame {
			out = append(out, whole...)
		}
		data = data[len(whole):]
	}
	return out
}

// FuzzFrames: frames that nobody knows are left out, however they are cut into pieces, and the rest comes as it was sent.
func FuzzFrames(f *testing.F) {
	settings, unknown := []byte{0, 0, 0, 4, 0, 0, 0, 0, 0}, []byte{0, 0, 3, 0xee, 0, 0, 0, 0, 1, 'a', 'b', 'c'}
	f.Add(slices.Concat(settings, unknown, settings))
	f.Add(slices.Concat(unknown, unknown[:10]))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
	f.Add([]byte{0, 0x40, 0, 0, 0, 0, 0, 0, 1, 'x'})
	f.Fuzz(func(t *testing.T, data []byte) {
		want := knownFrames(data)
		for _, src := range []io.Reader{bytes.NewReader(data), iotest.OneByteReader(bytes.NewReader(data)), iotest.HalfReader(bytes.NewReader(data))} {
			got, err := io.ReadAll(newFrames(scripted{Reader: src}, math.MaxInt64))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("of %q came %q, %v; want %q", data, got, err, want)
			}
		}
		if n := int64(len(data)); n > 0 {
			short := newFrames(scripted{Reader: bytes.NewReader(data)}, n-1)
			if _, err := io.ReadAll(short); err == nil || !short.exceeded() {
				t.Errorf("one byte more than allowed came, and nothing was said: %v", err)
			}
		}
	})
}

// FuzzSocksReply: whatever a proxy says, it is read to the end of a reply and no further.
func FuzzSocksReply(f *testing.F) {
	f.Add([]byte{5, 0, 0, 1, 127, 0, 0, 1, 0, 80, 'x'})
	f.Add([]byte{5, 0, 0, 3, 2, 'a', 'b', 0, 80, 'x'})
	f.Add([]byte{5, 0, 0, 3, 0, 0, 80, 'x'})
	f.Add([]byte{5, 0, 0, 9, 0, 80})
	f.Add([]byte{5, 4, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		code, err := socksReply(scripted{Reader: r})
		read := len(data) - r.Len()
		switch {
		case err != nil:
		case data[0] != socksVersion || code != data[1]:
			t.Errorf("%v gives the code %d", data, code)
		case code == 0:
			want := map[byte]int{socksIPv4: 4 + 4 + 2, socksIPv6: 4 + 16 + 2, socksName: 4 + 1 + int(data[4]) + 2}[data[3]]
			if read != want {
				t.Errorf("of %v %d bytes were read, want %d", data, read, want)
			}
		}
	})
}

// FuzzCodedBody: no decoder makes more of a body than its limit lets through, or panics.
func FuzzCodedBody(f *testing.F) {
	f.Add(byte(CodingGzip), []byte("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add(byte(CodingDeflate), []byte("\x78\x9c\x03\x00\x00\x00\x00\x01"))
	f.Add(byte(CodingBrotli), []byte("\x3b"))
	f.Add(byte(CodingZstd), []byte("\x28\xb5\x2f\xfd\x04\x00\x01\x00\x00\x99\xe9\xd8\x51"))
	f.Fuzz(func(t *testing.T, coding byte, data []byte) {
		c := ContentCoding(coding%4) + CodingGzip
		b := newCodedBody(c, bytes.NewReader(data), 1000)
		defer func() { b.close() }()
		s := newBodyScan(&BodyMatch{MaxSize: 1000}, b, -1)
		if err := s.read(); err == nil && s.size > 1000 {
			t.Errorf("%s: %d bytes came out, want at most 1000", c, s.size)
		}
	})
}

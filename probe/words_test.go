package probe

import (
	"encoding"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// A text is a type with a form in the configuration.
type text interface {
	encoding.TextUnmarshaler
	encoding.TextMarshaler
}

func TestTexts(t *testing.T) {
	tests := []struct {
		make func() text
		good map[string]string // what is read, and how it is written
		bad  []string
	}{
		{
			func() text { return new(Size) },
			map[string]string{"1MiB": "1MiB", "1024KiB": "1MiB", "1000B": "1kB", "1 kB": "1kB", "3MB": "3MB", "0B": "0B", "100B": "100B"},
			[]string{"", "1", "MiB", "-1B", "1.5MiB", "1mib", "99999999999GiB", "1 TiB"},
		},
		{
			func() text { return new(CodeRange) },
			map[string]string{"204": "204", "200-299": "200-299", "200 - 299": "200-299", "200-200": "200"},
			[]string{"", "2xx", "99", "600", "299-200", "200-", "-200", "200-299-300", "0200", "+200"},
		},
		{
			func() text { return new(IPChoice) },
			map[string]string{"4": "4", "6": "6", "prefer4": "prefer4", "prefer6": "prefer6"},
			[]string{"", "5", "ipv4", "any", "Prefer4"},
		},
		{
			func() text { return new(RRType) },
			map[string]string{"A": "A", "aaaa": "AAAA", "TYPE65280": "TYPE65280", "any": "ANY", "type1": "A"},
			[]string{"", "B", "TYPE", "TYPE0", "TYPE65536", "TYPE1x", "None", "OPT"},
		},
		{
			func() text { return new(ResponseCode) },
			map[string]string{"NOERROR": "NOERROR", "nxdomain": "NXDOMAIN", "REFUSED": "REFUSED"},
			[]string{"", "3", "BADVERS", "NOPE"},
		},
		{func() text { return new(DNSTransport) }, map[string]string{"udp": "udp", "tcp": "tcp"}, []string{"", "tls", "UDP"}},
		{
			func() text { return new(HTTPProtocol) },
			map[string]string{"auto": "auto", "http1": "http1", "http2": "http2", "http3": "http3"},
			[]string{"", "h2", "HTTP/2", "protocol?"},
		},
		{
			func() text { return new(ContentCoding) },
			map[string]string{"gzip": "gzip", "deflate": "deflate", "br": "br", "zstd": "zstd"},
			[]string{"", "identity", "brotli", "coding?"},
		},
		{func() text { return new(OAuth2Style) }, map[string]string{"header": "header", "params": "params"}, []string{"", "auto", "style?"}},
		{func() text { return new(Redirects) }, map[string]string{"0": "0", "10": "10", "-1": "-1"}, []string{"", "010", "+1", "0x1", "many", "1.0"}},
		{
			func() text { return new(Proxy) },
			map[string]string{"http://proxy.example:3128": "http://proxy.example:3128", "from_environment": "from_environment"},
			[]string{"http://${env:GAIKEI_SECRET_X}@proxy.example"},
		},
		{
			func() text { return new(DNSFlag) },
			map[string]string{"aa": "aa", "tc": "tc", "rd": "rd", "ra": "ra", "ad": "ad", "cd": "cd"},
			[]string{"", "qr", "AA", "flag?"},
		},
	}
	for _, tt := range tests {
		for in, want := range tt.good {
			v := tt.make()
			if err := v.UnmarshalText([]byte(in)); err != nil {
				t.Errorf("%T %q: %v", v, in, err)
				continue
			}
			got, err := v.MarshalText()
			if err != nil || string(got) != want {
				t.Errorf("%T %q -want +got:\n- %s\n+ %s (%v)", v, in, want, got, err)
			}
		}
		for _, in := range tt.bad {
			v := tt.make()
			if err := v.UnmarshalText([]byte(in)); err == nil {
				t.Errorf("%T %q was read, want an error", v, in)
			}
		}
	}
}

func TestTLSText(t *testing.T) {
	for in, ok := range map[string]bool{"true": true, "false": false, "yes": false, "": false} {
		if err := new(TLS).UnmarshalText([]byte(in)); (err == nil) != ok {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func FuzzCodeRange(f *testing.F) {
	f.Add("200-299")
	f.Add("404")
	f.Fuzz(func(t *testing.T, s string) {
		var c, again CodeRange
		if c.UnmarshalText([]byte(s)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(c.String())); err != nil || again != c || c.From < 100 || c.To > 599 || c.From > c.To {
			t.Errorf("%q became %v and then %v (%v)", s, c, again, err)
		}
	})
}

func FuzzSize(f *testing.F) {
	f.Add("1MiB")
	f.Add("512 B")
	f.Fuzz(func(t *testing.T, s string) {
		var z, again Size
		if z.UnmarshalText([]byte(s)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(z.String())); err != nil || again != z || z < 0 {
			t.Errorf("%q became %d and then %d (%v)", s, z, again, err)
		}
	})
}

// TestBodyAgainstWhole compares matching as the body streams, in pieces of any size, with matching it as a
// whole.
func TestBodyAgainstWhole(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var b strings.Builder
		for range r.IntN(3) * wholeBody / 2 {
			b.WriteByte("ab\xff\n"[r.IntN(4)])
		}
		body := b.String()
		m := &BodyMatch{
			Contains:    []string{strings.Repeat("a", 1+r.IntN(9)), strings.Repeat("ab", 1+r.IntN(5))},
			NotContains: []string{strings.Repeat("b", 1+r.IntN(12))},
			Regex:       regexp.MustCompile([]string{`a{7}`, `ba\n$`, `^a`, `b+a+\nb`}[r.IntN(4)]),
		}
		want := []bool{
			strings.Contains(body, m.Contains[0]), strings.Contains(body, m.Contains[1]),
			!strings.Contains(body, m.NotContains[0]), m.Regex.MatchString(body),
		}
		src := strings.NewReader(body)
		s := newBodyScan(m, src, -1)
		if r.IntN(2) == 0 {
			s.src = iotest.HalfReader(src)
		}
		if err := s.read(); err != nil {
			t.Fatal(err)
		}
		obs, all := s.observe()
		var got []bool
		held := true
		for _, o := range obs {
			got = append(got, o.Held)
			held = held && o.Held
		}
		if diff := cmp.Diff(want, got); diff != "" || all != held || s.held() != held {
			t.Errorf("body of %d bytes, %v: -want +got:\n%s", len(body), m, diff)
		}
		if s.size != int64(len(body)) {
			t.Errorf("size -want +got:\n- %d\n+ %d", len(body), s.size)
		}
	}
}

func TestClip(t *testing.T) {
	tests := []struct {
		in   string
		n    int
		want string
	}{
		{"abc", 3, "abc"}, {"abcd", 3, "abc"}, {"aé", 2, "a"}, {"a\xffb", 9, "a\uFFFDb"}, {"日本", 5, "日"}, {"", 0, ""}, {"日", 1, ""},
	}
	for _, tt := range tests {
		if got := clip(tt.in, tt.n); got != tt.want {
			t.Errorf("clip(%q, %d) -want +got:\n- %q\n+ %q", tt.in, tt.n, tt.want, got)
		}
	}
}

package probe

import (
	"context"
	"encoding"
	"io"
	"math/rand/v2"
	"regexp"
	"slices"
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
			func() text { return new(VersionTLS) },
			map[string]string{"1.0": "1.0", "1.1": "1.1", "1.2": "1.2", "1.3": "1.3"},
			[]string{"", "1", "1.4", "1.20", "TLS12", "TLS 1.2", "771", "0.9"},
		},
		{
			func() text { return new(HeaderMatch) },
			map[string]string{"present": "present", "absent": "absent"},
			[]string{"", "Present", "gone", "true"},
		},
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
			map[string]string{"4": "4", "6": "6", "prefer4": "prefer4", "prefer6": "prefer6", "both": "both"},
			[]string{"", "5", "ipv4", "any", "Prefer4"},
		},
		{
			func() text { return new(RRType) },
			map[string]string{"A": "A", "aaaa": "AAAA", "TYPE65280": "TYPE65280", "any": "ANY", "type1": "A"},
			[]string{"", "B", "TYPE", "TYPE0", "TYPE65536", "TYPE1x", "None", "OPT"},
		},
		{
			func() text { return new(ResponseCode) },
			map[string]string{"NOERROR": "NOERROR", "nxdomain": "NXDOMAIN", "REFUSED": "REFUSED", "BADVERS": "BADVERS", "badcookie": "BADCOOKIE"},
			[]string{"", "3", "BADSIG", "BADTIME", "NOPE"},
		},
		{func() text { return new(DNSTransport) }, map[string]string{"udp": "udp", "tcp": "tcp", "tls": "tls", "https": "https"}, []string{"", "quic", "UDP"}},
		{func() text { return new(DNSClass) }, map[string]string{"IN": "IN", "ch": "CH", "HS": "HS", "any": "ANY"}, []string{"", "NONE", "1"}},
		{func() text { return new(DoHMethod) }, map[string]string{"GET": "GET", "POST": "POST"}, []string{"", "get", "PUT"}},
		{
			func() text { return new(ClientSubnet) },
			map[string]string{"192.0.2.0/24": "192.0.2.0/24", "2001:DB8::/56": "2001:db8::/56", "0.0.0.0/0": "0.0.0.0/0"},
			[]string{"", "192.0.2.0", "192.0.2.1/24", "::ffff:192.0.2.0/120", "192.0.2.0/33"},
		},
		{
			func() text { return new(TTLRange) },
			map[string]string{
				"60s-1d": "1m-1d", "60s-": "1m-", "-1d": "-1d", "1h30m": "1h30m", "0s": "0s", "0s-0s": "0s", "1w1d1h1m1s": "1w1d1h1m1s", "90m": "1h30m",
				"2147483647s": "3550w5d3h14m7s",
			},
			[]string{"", "-", "60", "60s-30s", "1s1m", "1x", "1.5h", "2147483648s", "9999999999w", "1m-2m-3m", "-1"},
		},
		{func() text { return new(RecordMatch) }, map[string]string{"10 Mail.example.": "10 Mail.example."}, []string{""}},
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
	exprs := []string{`a{7}`, `ba\n$`, `^a`, `b+a+\nb`, `外形+a`, `(?i)形A\n`, `\x{fffd}b`, `\A\z`, `[^ab\n外]{2}`}
	some := func(n int) (res []*regexp.Regexp) {
		for range r.IntN(n) {
			res = append(res, regexp.MustCompile(exprs[r.IntN(len(exprs))]))
		}
		return res
	}
	for range 60 {
		var b strings.Builder
		for range r.IntN(3) * wholeBody / 2 {
			b.WriteString([]string{"a", "b", "\xff", "\n", "外", "形", "\xe5"}[r.IntN(7)])
		}
		body := b.String()
		m := &BodyMatch{
			Contains:    []string{strings.Repeat("a", 1+r.IntN(9)), strings.Repeat("ab", 1+r.IntN(5))},
			NotContains: []string{strings.Repeat("b", 1+r.IntN(12))},
			Regex:       some(4), NotRegex: some(3),
			steps: []int{0, 1 << 30}[r.IntN(2)], // in one go, or so that it can be interrupted
		}
		want := []bool{strings.Contains(body, m.Contains[0]), strings.Contains(body, m.Contains[1]), !strings.Contains(body, m.NotContains[0])}
		for i, re := range m.patterns() {
			want = append(want, re.MatchString(body) == (i < len(m.Regex)))
		}
		src := strings.NewReader(body)
		s := newBodyScan(m, src, -1)
		s.ctx = t.Context()
		if r.IntN(2) == 0 {
			s.src = iotest.HalfReader(src)
		}
		if err := s.read(); err != nil {
			t.Fatal(err)
		}
		var got []bool
		for _, o := range s.observe() {
			got = append(got, o.Held)
		}
		if diff := cmp.Diff(want, got); diff != "" || s.held() == slices.Contains(got, false) {
			t.Errorf("body of %d bytes, %v: held: %v, -want +got:\n%s", len(body), m, s.held(), diff)
		}
		if s.size != int64(len(body)) {
			t.Errorf("size -want +got:\n- %d\n+ %d", len(body), s.size)
		}
	}
}

// FuzzPattern compares matching in pieces, cut anywhere, with matching the whole.
func FuzzPattern(f *testing.F) {
	f.Add("外形+a$", "b外形形a", uint8(4), uint8(6))
	f.Add("^\\x{fffd}|(?s)a.b", "\xe5a\xffb", uint8(1), uint8(0))
	f.Fuzz(func(t *testing.T, expr, body string, a, b uint8) {
		re, err := regexp.Compile(expr)
		if err != nil || programSize(re) > maxProgram {
			return
		}
		i := min(int(a), len(body))
		j := min(i+int(b), len(body))
		var ps patterns
		ps.begin(t.Context(), []*regexp.Regexp{re})
		for _, piece := range []string{body[:i], body[i:j], body[j:]} {
			ps.feed([]byte(piece))
		}
		if got, want := ps.end()[0], foundIn([]string{body}, re.MatchString); got != want {
			t.Errorf("%q in %q, %q, %q: got %v, want %v", expr, body[:i], body[i:j], body[j:], got, want)
		}
	})
}

// TestMatchingEndsInTime: a regex that is dear, and a body that was made for it, do not outlive the attempt. The body is
// there, so it is the answer that is not as wanted.
func TestMatchingEndsInTime(t *testing.T) {
	re := regexp.MustCompile(`(a?b?){500}(ba){450}$`)
	for name, size := range map[string]int{"whole": wholeBody / 2, "as it streams": 4 * wholeBody} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &BodyMatch{Regex: []*regexp.Regexp{re}, NotRegex: []*regexp.Regexp{re}}
			if ps := m.validate(); len(ps) != 1 {
				t.Fatalf("validate() found %v, want the contradiction alone", ps)
			}
			ctx, cancel := context.WithCancel(t.Context())
			s := newBodyScan(m, strings.NewReader(strings.Repeat("ab", size/2)), -1)
			s.ctx = ctx
			s.src = io.TeeReader(s.src, cancelling{cancel})
			if err := s.read(); err != nil {
				t.Fatal(err)
			}
			if s.held() {
				t.Error("both the regex and its opposite hold")
			}
			for _, o := range s.observe() {
				if o.Held || o.Got != "not decided in time" {
					t.Errorf("%s: got %q, held: %v, want it to be undecided", o.What, o.Got, o.Held)
				}
			}
			if err := s.fault(); !strings.Contains(err.Error(), "time") {
				t.Errorf("got %q, want a word about the time", err)
			}
		})
	}
}

// cancelling ends a context as soon as something is written to it.
type cancelling struct{ cancel func() }

func (c cancelling) Write(b []byte) (int, error) { c.cancel(); return len(b), nil }

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

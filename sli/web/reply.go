package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"
)

// The media types of answers.
const (
	typeJSON    = "application/json"
	typeLines   = "application/x-ndjson"
	typeProblem = "application/problem+json"
)

// heldBack is how much of an answer is kept in memory. One that is shorter is sent with its length and an ETag, and an error while
// it is made is still told as a problem. A longer one is sent as it is made, since nobody can hold what ten thousand checks give.
const heldBack = 1 << 20

// perMegabyte is how long an asker may take to read each piece of an answer that is sent as it is made.
const perMegabyte = 2 * time.Minute

// A listing is an answer with items. It gives them in order, and what asks for those after them: nil if there are none.
type listing interface {
	each(ctx context.Context, give func(item any) error) (next *string, err error)
}

// each implements listing.
func (l list[T]) each(_ context.Context, give func(any) error) (*string, error) {
	for i := range l.Items {
		if err := give(&l.Items[i]); err != nil {
			return nil, err
		}
	}
	return l.Next, nil
}

// answer makes a handler of a function that returns what to write as JSON. A listing is written item by item, and line by line to
// who asks for that.
func answer(f func(r *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v, err := f(r)
		if err != nil {
			problemOf(err).write(w)
			return
		}
		reply := &reply{w: w, r: r, mediaType: typeJSON}
		switch items, ok := v.(listing); {
		case !ok:
			err = reply.encode(v, "\n")
		case wantsLines(r):
			reply.mediaType = typeLines
			err = reply.lines(items)
		default:
			err = reply.list(items)
		}
		reply.end(err)
	}
}

// wantsLines reports whether the asker takes a list line by line.
func wantsLines(r *http.Request) bool {
	for accepted := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		mediaType, params, err := mime.ParseMediaType(accepted)
		if err != nil || mediaType != typeLines {
			continue
		}
		if q, given := params["q"]; !given || strings.Trim(q, "0.") != "" {
			return true
		}
	}
	return false
}

// A reply is an answer that is being written.
type reply struct {
	w         http.ResponseWriter
	r         *http.Request
	mediaType string
	held      bytes.Buffer
	sending   bool // the status is written
	piece     int  // bytes since the deadline was last put off
}

// errEnough ends an answer of which only the header was asked for.
var errEnough = errors.New("the header is all that was asked for")

// list writes {"items":[…],"next":…}.
func (p *reply) list(items listing) error {
	if err := p.write([]byte(`{"items":[`)); err != nil {
		return err
	}
	comma := false
	next, err := items.each(p.r.Context(), func(item any) error {
		if comma {
			if err := p.write([]byte{','}); err != nil {
				return err
			}
		}
		comma = true
		return p.encode(item, "")
	})
	if err != nil {
		return err
	}
	if err := p.write([]byte(`],"next":`)); err != nil {
		return err
	}
	return p.encode(next, "}\n")
}

// A lastLine ends a list of lines: without it the list is not whole.
type lastLine struct {
	Next *string `json:"next"`
}

// lines writes an item a line.
func (p *reply) lines(items listing) error {
	next, err := items.each(p.r.Context(), func(item any) error { return p.encode(item, "\n") })
	if err != nil {
		return err
	}
	return p.encode(lastLine{next}, "\n")
}

func (p *reply) encode(v any, after string) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return p.write(append(text, after...))
}

// write holds text back, or sends it once there is too much of it.
func (p *reply) write(text []byte) error {
	if !p.sending {
		p.held.Write(text)
		if p.held.Len() <= heldBack {
			return nil
		}
		p.header()
		p.w.WriteHeader(http.StatusOK)
		p.sending = true
		text = p.held.Bytes()
	}
	if p.r.Method == http.MethodHead {
		return errEnough
	}
	if p.piece += len(text); p.piece >= heldBack {
		// Who keeps reading is not cut off, however long it takes as a whole.
		p.piece = 0
		err := http.NewResponseController(p.w).SetWriteDeadline(time.Now().Add(perMegabyte))
		if err != nil && !errors.Is(err, http.ErrNotSupported) {
			return err
		}
	}
	_, err := p.w.Write(text)
	return err
}

// header says how the answer may be kept: with no-cache it is asked for again each time, and the ETag tells whether it is the same.
func (p *reply) header() {
	h := p.w.Header()
	h.Set("Content-Type", p.mediaType)
	if p.r.Method == http.MethodGet || p.r.Method == http.MethodHead {
		h.Set("Cache-Control", "private, no-cache")
		h.Add("Vary", "Accept")
	}
}

// end sends what is held back, or makes sure that a part is not taken for the whole.
func (p *reply) end(err error) {
	switch {
	case p.sending && errors.Is(err, errEnough):
	case p.sending && err != nil:
		if p.mediaType == typeLines {
			_, _ = p.w.Write(problemOf(err).text())
		}
		panic(http.ErrAbortHandler)
	case err != nil:
		problemOf(err).write(p.w)
	case !p.sending:
		p.whole()
	}
}

// whole sends an answer that was held back to its end.
func (p *reply) whole() {
	p.header()
	h := p.w.Header()
	if p.r.Method == http.MethodGet || p.r.Method == http.MethodHead {
		sum := sha256.Sum256(p.held.Bytes())
		tag := hex.EncodeToString(sum[:16])
		h.Set("ETag", `"`+tag+`"`)
		if known, ok := sameTag(p.r.Header.Values("If-None-Match"), tag); ok {
			if known != "" {
				h.Set("ETag", known)
			}
			h.Del("Content-Type")
			p.w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	h.Set("Content-Length", strconv.Itoa(p.held.Len()))
	_, _ = p.w.Write(p.held.Bytes())
}

// compressedTag is what the ETag of a compressed answer has at its end: another encoding is another representation.
const compressedTag = "-gzip"

// sameTag reports whether one of the tags that an asker has is this one, by the weak comparison of RFC 9110, section 8.8.3.2, and
// how it is written there. It takes the star for any, and the tag of the compressed answer for its own.
func sameTag(headers []string, tag string) (string, bool) {
	for one := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		one = strings.TrimSpace(one)
		strong := strings.TrimPrefix(one, "W/")
		switch strong {
		case "*":
			return "", true
		case `"` + tag + `"`, `"` + tag + compressedTag + `"`:
			return strong, true
		}
	}
	return "", false
}

// compressed compresses the answers of a handler for who takes gzip.
func compressed(h http.HandlerFunc) http.HandlerFunc {
	wrap, err := gzhttp.NewWrapper(gzhttp.EnableZstd(false), gzhttp.SuffixETag(compressedTag))
	if err != nil {
		// The options are constants.
		panic("web: compression: " + err.Error())
	}
	return wrap(h)
}

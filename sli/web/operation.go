package web

import (
	"net/http"
	"net/url"
	"strings"
)

// An operation is what is served at an address by a method. The handler and the document are made of the same one: the handler takes
// the parameters that are listed here and no others.
type operation struct {
	pattern string // as of http.ServeMux; without a method it is to be read only
	about   string // what it gives, a sentence
	takes   []parameter
	path    string // what the name in the path means, if there is one
	sends   *sent  // what the asker sends; nil: nothing
	gives   any    // an example of what is answered; a list where that is one
	scope   Scope

	handle func(r *http.Request, v url.Values) (any, error)
	// Where the answer is not JSON: what writes it, and its media type.
	plain     http.HandlerFunc
	mediaType string
}

// A sent is a body that an operation takes.
type sent struct {
	example any
	want    string   // the same as it is written
	needs   []string // members that must be there
	never   []string // members of what is answered that must not be
}

// method and address are those of the pattern.
func (o *operation) method() string {
	if method, _, ok := strings.Cut(o.pattern, " "); ok {
		return method
	}
	return http.MethodGet
}

func (o *operation) address() string {
	address := o.pattern[strings.Index(o.pattern, "/"):]
	return strings.TrimSuffix(address, "{$}")
}

// route serves the operation.
func (o *operation) route() route {
	h := o.plain
	if h == nil {
		h = answer(o.ask)
	}
	if strings.Contains(o.pattern, " ") {
		return route{o.scope, h}
	}
	if o.plain == nil {
		h = compressed(h)
	}
	return route{o.scope, readOnly(h)}
}

func (o *operation) ask(r *http.Request) (any, error) {
	v, err := values(r, o.takes...)
	if err != nil {
		return nil, err
	}
	return o.handle(r, v)
}

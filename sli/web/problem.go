package web

import (
	"encoding/json"
	"errors"
	"net/http"
)

// A problem is an error as RFC 9457 writes it: what was being asked, where it went wrong, what came and what
// was wanted. It is the asker's fault if Status is 4xx.
type problem struct {
	Type      string `json:"type"` // always about:blank: the status says what kind it is
	Title     string `json:"title"`
	Status    int    `json:"status"`
	Detail    string `json:"detail"`
	Parameter string `json:"parameter,omitempty"` // of the query, where it went wrong
	Got       string `json:"got,omitempty"`
	Want      string `json:"want,omitempty"`
	Nearest   string `json:"nearest,omitempty"` // what may have been meant
}

// Error returns the detail, for people.
func (p *problem) Error() string { return p.Detail }

// badParameter says that a query parameter cannot be understood.
func badParameter(name, got, detail string) *problem {
	return &problem{
		Title: "Bad request", Status: http.StatusBadRequest,
		Detail: "parameter " + name + ": " + detail, Parameter: name, Got: got,
	}
}

// problemOf makes a problem of any error; what is not one already is ours.
func problemOf(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	return &problem{Title: "Internal error", Status: http.StatusInternalServerError, Detail: err.Error()}
}

func (p problem) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", typeProblem)
	w.WriteHeader(p.Status)
	_, _ = w.Write(p.text())
}

// text is the problem as a line of JSON.
func (p problem) text() []byte {
	p.Type = "about:blank"
	body, err := json.Marshal(p)
	if err != nil {
		// Texts and a number can always be written.
		panic("web: write a problem: " + err.Error())
	}
	return append(body, '\n')
}

package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestAnAnswerThatBreaksOffIsAnError: a server that fails in the middle of a list, or goes away, must not be taken for one with few
// checks.
func TestAnAnswerThatBreaksOffIsAnError(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.RawQuery, "check=another"):
			io.WriteString(w, "<html>")
		case strings.Contains(r.URL.RawQuery, "check=short"):
			io.WriteString(w, `{"items":[{"check":"shop"}`)
		default:
			io.WriteString(w, `{"items":[{"check":"shop"},`)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(s.Close)
	for check, want := range map[string]string{"shop": "the answer broke off", "short": "the answer broke off", "another": "another program"} {
		code, out, errs := gaikei(t, "sli", "--check", check, "--server", s.URL, "-o", "json")
		if code != exitUnreachable || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%s: exit code %d, output %q, error %q; want %d, none and %q", check, code, out, errs, exitUnreachable, want)
		}
	}
}

// TestAListIsReadToItsEnd: a server may give it in pages.
func TestAListIsReadToItsEnd(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch next := r.FormValue("next"); {
		case r.FormValue("window") == "" || next != "" && next != "b=":
			http.Error(w, "not the same question", http.StatusBadRequest)
		case next == "":
			io.WriteString(w, `{"items":[{"check":"blog","kind":"bad","regions":[{"region":"tokyo","evidence":["2026-11-23T11:00:00Z"],"summary":"no \u001b[2J answer"}]}],"next":"b="}`)
		default:
			io.WriteString(w, `{"items":[{"check":"shop","kind":"bad"}],"next":null}`)
		}
	}))
	t.Cleanup(s.Close)
	code, out, errs := gaikei(t, "incidents", "--server", s.URL, "--window", "1h")
	if code != exitFine || !strings.Contains(out, "blog") || !strings.Contains(out, "shop") {
		t.Errorf("exit code %d: %s%s\nwant both pages", code, out, errs)
	}
	if want := fmt.Sprintf("no %c[2J answer", '�'); !strings.Contains(out, want) {
		t.Errorf("got\n%s\nwant what the first evidence says, harmless to a terminal: %s", out, want)
	}
}

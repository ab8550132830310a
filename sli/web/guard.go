package web

import (
	"net/http"
	"strings"
)

// policy lets the page load its own stylesheet, script and images, and nothing else from anywhere.
const policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard sets the headers that every answer has, and lets no page of another origin change anything with the credentials that a
// browser has for this one.
func guard(next http.Handler) http.Handler {
	same := http.NewCrossOriginProtection()
	same.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem{
			Status: http.StatusForbidden, Title: "Forbidden", Detail: "a page of another origin may not change anything here",
			Got: r.Header.Get("Origin"), Want: "a request from this origin, or from no browser",
		}.write(w)
	}))
	next = same.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// readOnly refuses every method that would change something: there is nothing here to change.
func readOnly(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			problem{
				Status: http.StatusMethodNotAllowed, Title: "Method not allowed",
				Detail: "this address can only be read", Got: r.Method, Want: "GET or HEAD",
			}.write(w)
			return
		}
		next(w, r)
	}
}

func (s *server) notFound(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		problem{
			Status: http.StatusNotFound, Title: "Not found", Detail: "the API has nothing at this address",
			Got: r.URL.Path, Want: "/api/v1/sli, counts, slos, incidents, uptime, certainty, corrections, phases, checks, changes, outlook, probers, evidence or rejected",
		}.write(w)
		return
	}
	s.fail(w, &problem{Status: http.StatusNotFound, Title: "Not found", Detail: "there is no page at this address", Got: r.URL.Path})
}

func (s *server) healthz(w http.ResponseWriter, _ *http.Request) {
	plain(w, http.StatusOK, "ok")
}

func (s *server) readyz(w http.ResponseWriter, _ *http.Request) {
	if err := s.Ready(); err != nil {
		plain(w, http.StatusServiceUnavailable, "not ready: "+err.Error())
		return
	}
	plain(w, http.StatusOK, "ready")
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	// The client is gone if this fails; there is nobody to tell.
	_, _ = w.Write([]byte(text + "\n"))
}

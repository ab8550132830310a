package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"time"
)

//go:embed tmpl/*.html static/*
var files embed.FS

// An asset is a file that pages load.
type asset struct {
	body        []byte
	contentType string
	href        string // with the hash of its content, so that a new version is loaded at once
}

// loadAssets reads the embedded files. It cannot fail for a program that was built.
func loadAssets() map[string]asset {
	assets := map[string]asset{}
	for name, contentType := range map[string]string{
		"style.css": "text/css; charset=utf-8", "live.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
	} {
		body, err := files.ReadFile("static/" + name)
		if err != nil {
			panic(fmt.Sprintf("web: embedded file: %v", err))
		}
		sum := sha256.Sum256(body)
		assets[name] = asset{body, contentType, "/static/" + name + "?v=" + hex.EncodeToString(sum[:6])}
	}
	return assets
}

func (s *server) static(w http.ResponseWriter, r *http.Request) {
	a, ok := s.assets[r.PathValue("name")]
	if !ok {
		s.notFound(w, r)
		return
	}
	if r.URL.RawQuery != "" {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	w.Header().Set("Content-Type", a.contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	_, _ = w.Write(a.body)
}

// pages are the parsed templates.
type pages struct{ byName map[string]*template.Template }

func loadPages(assets map[string]asset) *pages {
	p := &pages{byName: map[string]*template.Template{}}
	funcs := template.FuncMap{
		"asset":     func(name string) string { return assets[name].href },
		"groupHref": func(group string) string { return "/?group=" + url.QueryEscape(group) },
		"checkHref": func(id string) string { return "/checks/" + url.PathEscape(id) },
		"utc":       func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05Z") },
		"stamp":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"ratio":     formatRatio,
		"legend":    legend,
		"quantiles": func() any { return quantileNames },
		"every":     func(d time.Duration) string { return d.String() },
	}
	for _, name := range []string{"index.html", "check.html", "problem.html"} {
		t := template.New(name).Funcs(funcs)
		p.byName[name] = template.Must(t.ParseFS(files, "tmpl/frame.html", "tmpl/parts.html", path.Join("tmpl", name)))
	}
	return p
}

// render writes a page.
func (s *server) render(w http.ResponseWriter, status int, name string, data any) {
	var body bytes.Buffer
	if err := s.pages.byName[name].Execute(&body, data); err != nil {
		http.Error(w, "render "+name+": "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// A frame is what every page has around its content.
type frame struct {
	Title   string
	Version string
	Now     time.Time
	AsOf    time.Time
	Refresh int // seconds; zero: the page does not change
	Window  string
	Windows []choice
	Path    string
}

// A choice is a link to the same page with another parameter.
type choice struct {
	Text, Href string
	Current    bool
}

type frameOptions struct {
	title string
	now   time.Time
	asOf  int64 // Unix ms
	query url.Values
	path  string // empty: the front page
	rows  int
}

// windowChoices are the windows that the page offers.
var windowChoices = [...]string{"1h", "6h", "24h", "7d", "28d"}

func (s *server) frame(o frameOptions) frame {
	if o.path == "" {
		o.path = "/"
	}
	f := frame{
		Title: o.title, Version: s.Version, Now: o.now.UTC(), AsOf: time.UnixMilli(o.asOf).UTC(),
		Refresh: refreshEvery(o.rows), Window: o.query.Get("window"), Path: o.path,
	}
	if f.Window == "" {
		f.Window = windowChoices[0]
	}
	for _, w := range windowChoices {
		q := url.Values{}
		for k, v := range o.query {
			q[k] = v
		}
		q.Set("window", w)
		f.Windows = append(f.Windows, choice{Text: w, Href: o.path + "?" + q.Encode(), Current: w == f.Window})
	}
	return f
}

// refreshEvery spares large installations: a page of thousands of rows is megabytes.
func refreshEvery(rows int) int {
	if rows > 600 {
		return 30
	}
	return 5
}

// A problemPage tells a person what went wrong.
type problemPage struct {
	frame
	Problem *problem
}

func (s *server) fail(w http.ResponseWriter, p *problem) {
	s.render(w, p.Status, "problem.html", problemPage{frame: frame{Title: p.Title + " · Gaikei", Version: s.Version, Now: s.Now().UTC()}, Problem: p})
}

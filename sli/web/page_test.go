package web

import (
	"fmt"
	"io/fs"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/gaikei/gaikei/probe"
	"github.com/gaikei/gaikei/sli"
)

// elements parses a page and returns its elements in order.
func elements(t *testing.T, page string) []*html.Node {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var all []*html.Node
	for n := range doc.Descendants() {
		if n.Type == html.ElementNode {
			all = append(all, n)
		}
	}
	return all
}

func attribute(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func has(n *html.Node, class string) bool {
	return slices.Contains(strings.Fields(attribute(n, "class")), class)
}

// words is the text in an element.
func words(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// rowsOf returns the texts of the rows of the front page that are about this check.
func rowsOf(t *testing.T, page, check string) []string {
	t.Helper()
	for _, n := range elements(t, page) {
		if n.Data != "tbody" {
			continue
		}
		rows := []string{}
		for d := range n.ChildNodes() {
			if d.Type == html.ElementNode {
				rows = append(rows, words(d))
			}
		}
		if len(rows) > 0 && strings.HasPrefix(rows[0], check+" ") {
			return rows
		}
	}
	t.Fatalf("the page has no check %q", check)
	return nil
}

func contains(t *testing.T, where, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%s: want %q in:\n%s", where, p, text)
		}
	}
}

func TestIndexShowsEveryCheckByRegion(t *testing.T) {
	m, catalog := scene()
	page := get(t, serve(t, m, catalog).URL+"/")
	for _, c := range catalog {
		rows := strings.Join(rowsOf(t, page, c.Name), "\n")
		contains(t, c.Name, rows, "tokyo", "frankfurt", "office", c.Target)
	}
	contains(t, "shop", strings.Join(rowsOf(t, page, "shop"), "\n"), "95.00%", "14 min ago response_timeout", "nothing came within 2 s")
	contains(t, "the most urgent first", page[strings.Index(page, "<tbody"):][:400], "shop-images")
}

func TestUndefinedIsADashWithAReason(t *testing.T) {
	m, catalog := scene()
	page := get(t, serve(t, m, catalog).URL+"/")
	rows := rowsOf(t, page, "all-maintenance")
	for _, r := range rows[1:] {
		contains(t, "a region", r, dash, "everything was excluded by maintenance", "100%")
	}
	contains(t, "pooled", rows[0], dash)

	m = newMemory()
	m.follow("blind", "tokyo", noon.Add(-time.Hour), time.Minute).fill(noon.Add(-time.Hour), noon, notUp(sli.Inconclusive, probe.NoVouch))
	m.follow("silent", "tokyo", noon.Add(-time.Hour), time.Minute)
	m.follow("unborn", "tokyo", noon.Add(time.Hour), time.Minute)
	page = get(t, serve(t, m, nil).URL+"/")
	contains(t, "blind", rowsOf(t, page, "blind")[1], dash, "no verdict: 60 inconclusive", "0%")
	contains(t, "silent", rowsOf(t, page, "silent")[1], dash, "no verdict: 60 no data", "0%")
	contains(t, "unborn", rowsOf(t, page, "unborn")[1], dash, "no slot was due")
	if r := rowsOf(t, page, "unborn")[1]; strings.Contains(r, "%") {
		t.Errorf("unborn: %q has a percentage, want none", r)
	}
}

func TestTwoIndicators(t *testing.T) {
	m, catalog := scene()
	page := get(t, serve(t, m, catalog).URL+"/")
	for _, n := range elements(t, page) {
		switch {
		case has(n, "counts"):
			if got, want := words(n), "2 not as expected 1 we cannot tell 4 as expected"; got != want {
				t.Errorf("what the targets did: %q, want %q", got, want)
			}
		case has(n, "probers"):
			contains(t, "whether we could tell", words(n), "tokyo 98.80% 4 missed, 6 no data frankfurt 100% office 98.80% 10 inconclusive")
		}
	}
}

func TestEvidenceInOneLine(t *testing.T) {
	for want, e := range map[string]probe.Evidence{
		"status: got 500, want 200-299":          badStatus(noon),
		"HTTP/1.1 200 OK":                        recovered(noon),
		"something answers at 198.51.100.7:5432": {Reason: "reached", Dialled: "198.51.100.7:5432"},
		"":                                       {Outcome: "up"},
		strings.Repeat("é", 159) + "…":           {Detail: probe.Detail{Error: strings.Repeat("é", 161)}},
	} {
		if got := e.Summary(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestFilter(t *testing.T) {
	m, catalog := scene()
	s := serve(t, m, catalog)
	shown := func(query string) []string {
		var ids []string
		for _, n := range elements(t, get(t, s.URL+"/"+query)) {
			if n.Data == "a" && strings.HasPrefix(attribute(n, "href"), "/checks/") {
				ids = append(ids, words(n))
			}
		}
		return ids
	}
	for query, want := range map[string]string{
		"?q=SHOP":                   "[shop-images admin-leaked shop admin-closed]",
		"?q=team%3Dops":             "[admin-leaked admin-closed]",
		"?show=attention":           "[shop-images admin-leaked zone]",
		"?show=attention&q=admin":   "[admin-leaked]",
		"?region=tokyo&q=zone":      "[zone]",
		"?group=checkout":           "[shop-images shop]",
		"?group=core&q=team":        "[shop]",
		"?q=core":                   "[shop]",
		"?q=no-such":                "[]",
		"?window=28d&show=all&q=zo": "[zone]",
	} {
		if got := fmt.Sprint(shown(query)); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	for query, status := range map[string]int{"?show=some": 400, "?region=mars": 400, "?group=chekout": 400, "?windw=1h": 400, "?window=x": 400} {
		if resp, _ := ask(t, http.MethodGet, s.URL+"/"+query); resp.StatusCode != status {
			t.Errorf("%s: status %d, want %d", query, resp.StatusCode, status)
		}
	}
}

func TestRegionFilterShowsOneRegion(t *testing.T) {
	m, catalog := scene()
	page := get(t, serve(t, m, catalog).URL+"/?region=office")
	rows := rowsOf(t, page, "zone")
	if len(rows) != 3 || !strings.HasPrefix(rows[1], "office") { // the check, its region, the failure
		t.Errorf("zone has rows %q, want the check, office, and its last failure", rows)
	}
}

func TestRemovedAndDisabledChecks(t *testing.T) {
	m, catalog := scene()
	catalog = slices.DeleteFunc(catalog, func(c Check) bool { return c.ID == "zone" })
	catalog[0].Enabled = false
	s := serve(t, m, catalog)
	page := get(t, s.URL+"/")
	contains(t, "zone", rowsOf(t, page, "zone")[0], "no longer configured")
	contains(t, catalog[0].ID, rowsOf(t, page, catalog[0].ID)[0], "disabled")
	contains(t, "/checks/zone", get(t, s.URL+"/checks/zone"), "No longer configured", "no_vouch")
}

func TestCheckPage(t *testing.T) {
	m, catalog := scene()
	s := serve(t, m, catalog)
	page := get(t, s.URL+"/checks/shop")
	var text string
	for _, n := range elements(t, page) {
		if n.Data == "main" {
			text = words(n)
		}
	}
	contains(t, "shop", text,
		"shop as expected", "every 30s, time-out 2s, fast under 300ms", "team=web",
		"frankfurt 95.00% 100% 89.51% to 97.68%", "pooled 98.33% 100%",
		"response_timeout 6", "Last recorded attempt 11 min ago", "46 ms in all", "tls 13 ms 18 ms",
		"2026-11-23 11:46:00Z down response_timeout", "addresses 198.51.100.7, 198.51.100.8")
	contains(t, "zone", get(t, s.URL+"/checks/zone?window=6h"), "response_timeout, which nobody could vouch for")
	resp, body := ask(t, http.MethodGet, s.URL+"/checks/shpo")
	contains(t, "/checks/shpo", body, "there is no such check", "<dd>shop</dd>")
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("/checks/shpo: status %d, want 404", resp.StatusCode)
	}
	if resp, _ := ask(t, http.MethodGet, s.URL+"/checks/shop?widow=1h"); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("an unknown parameter: status %d, want 400", resp.StatusCode)
	}
}

// nasty is a text that breaks out of wherever it is not escaped.
const nasty = `"'><script>alert(1)</script><img src=x onerror=alert(2)>{{.}}` + "`\u2028</svg></style>javascript:alert(3)//"

func hostile() (*memory, []Check) {
	m := newMemory()
	l := m.follow(nasty, nasty, noon.Add(-time.Hour), time.Minute)
	l.fill(noon.Add(-time.Hour), noon, sli.Slot{Outcome: sli.Down, Reason: nasty, Latency: sli.NoLatency})
	e := badStatus(noon.Add(-time.Minute))
	e.Outcome, e.Reason, e.Suspected, e.Target, e.Dialled = nasty, nasty, nasty, "javascript:alert(4)", nasty
	e.Spans[0].Phase = nasty
	e.Detail = probe.Detail{
		Error: nasty, Hops: []string{nasty, "javascript:alert(5)"}, HopStatuses: []string{nasty}, StatusLine: nasty, Headers: []string{nasty}, Body: nasty, Message: nasty,
		Warnings: []string{nasty, nasty}, TraceID: nasty, SpanIDs: []string{nasty},
		Assertions: []probe.Observation{{What: nasty, Want: nasty, Got: nasty}},
		TLS:        &probe.TLSDetail{Version: nasty, Cipher: nasty, ServerName: nasty, Chain: []probe.Certificate{{Subject: nasty, Issuer: nasty, Names: []string{nasty}, Key: nasty}}},
	}
	l.evidence = []probe.Evidence{e}
	return m, []Check{{
		ID: nasty, Name: nasty, Kind: nasty, Target: nasty, Labels: map[string]string{nasty: nasty},
		Regions: []string{nasty}, Expect: map[string]string{nasty: nasty}, Enabled: true,
	}}
}

// TestEvidenceTellsWarnings: what is not wrong yet is on the page of the check, and so is what the target announced.
func TestEvidenceTellsWarnings(t *testing.T) {
	m := newMemory()
	l := m.follow("shop", "tokyo", noon.Add(-time.Hour), time.Minute)
	l.fill(noon.Add(-time.Hour), noon, sli.Slot{Outcome: sli.Up})
	warned, announced := recovered(noon.Add(-time.Minute)), badStatus(noon.Add(-2*time.Minute))
	warned.Detail.Hops, warned.Detail.HopStatuses = []string{"http://a.example/", "https://a.example/"}, []string{"302 Found", "200 OK"}
	warned.Detail.Warnings = []string{"the certificate expires in 6 days", "and another one in 7"}
	announced.Announced, announced.Detail.TraceID = true, "4bf92f3577b34da6a3ce929d0e0e4736"
	l.evidence = []probe.Evidence{warned, announced}
	page := get(t, serve(t, m, nil).URL+"/checks/shop")
	for _, want := range []string{"expires in 6 days<br>and another one in 7", "it is in maintenance", "https://a.example/: 200 OK</li>", "4bf92f3577b34da6a3ce929d0e0e4736"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
}

func TestHostileTextIsEscaped(t *testing.T) {
	m, catalog := hostile()
	s := serve(t, m, catalog)
	var check string
	index := get(t, s.URL+"/")
	for _, n := range elements(t, index) {
		if h := attribute(n, "href"); strings.HasPrefix(h, "/checks/") {
			check = h
		}
	}
	pages := map[string]string{"/": index, "check": get(t, s.URL+check)}
	_, pages["problem"] = ask(t, http.MethodGet, s.URL+"/?region=%22%3E%3Cscript%3Ealert(1)%3C/script%3E")
	for name, page := range pages {
		if !strings.Contains(page, "alert(1)") {
			t.Errorf("%s: the text is not shown at all", name)
		}
		inert(t, name, page)
	}
}

// inert checks that a page can do nothing but what this program wrote.
func inert(t *testing.T, name, page string) {
	t.Helper()
	for _, n := range elements(t, page) {
		if n.Data == "img" || n.Data == "style" || n.Data == "iframe" || n.Data == "script" && (attribute(n, "src") == "" || n.FirstChild != nil) {
			t.Errorf("%s: has an element %s: %s", name, n.Data, words(n))
		}
		for _, a := range n.Attr {
			switch {
			case strings.HasPrefix(a.Key, "on"), a.Key == "style":
				t.Errorf("%s: %s has an attribute %s=%q, which the policy forbids", name, n.Data, a.Key, a.Val)
			case (a.Key == "href" || a.Key == "src" || a.Key == "action") && !strings.HasPrefix(a.Val, "/") && !strings.HasPrefix(a.Val, "#"):
				t.Errorf("%s: %s leads to %q, want this server", name, n.Data, a.Val)
			}
		}
	}
}

func TestPagesObeyTheirPolicy(t *testing.T) {
	m, catalog := scene()
	s := serve(t, m, catalog)
	for _, path := range []string{"/", "/checks/shop", "/checks/zone"} {
		inert(t, path, get(t, s.URL+path))
	}
	_, page := ask(t, http.MethodGet, s.URL+"/nowhere")
	inert(t, "/nowhere", page)
}

func TestAccessible(t *testing.T) {
	m, catalog := scene()
	s := serve(t, m, catalog)
	for _, path := range []string{"/", "/checks/shop-images", "/checks/zone"} {
		ids := map[string]bool{}
		for _, n := range elements(t, get(t, s.URL+path)) {
			id := attribute(n, "id")
			switch {
			case id != "" && ids[id]:
				t.Errorf("%s: id %q occurs twice", path, id)
			case has(n, "strip") && (attribute(n, "role") != "img" || !strings.HasPrefix(attribute(n, "aria-label"), "last ")):
				t.Errorf("%s: a strip has role %q and label %q", path, attribute(n, "role"), attribute(n, "aria-label"))
			case n.Data == "th" && attribute(n, "scope") == "":
				t.Errorf("%s: a header cell %q has no scope", path, words(n))
			case n.Data == "html" && attribute(n, "lang") != "en":
				t.Errorf("%s: no language", path)
			}
			ids[id] = true
		}
	}
}

func TestUpdatesItself(t *testing.T) {
	m, catalog := scene()
	page := get(t, serve(t, m, catalog).URL+"/")
	contains(t, "without a script", page, `<noscript><meta http-equiv="refresh" content="5"></noscript>`)
	contains(t, "with one", page, `<script src="/static/live.js?v=`, `data-refresh="5"`, `name="viewport"`)
	if got := refreshEvery(3000); got != 30 {
		t.Errorf("a page of 3000 rows is loaded every %d s, want 30", got)
	}
}

func TestAssets(t *testing.T) {
	s := serve(t, newMemory(), nil)
	page := get(t, s.URL+"/")
	for _, ref := range regexp.MustCompile(`/static/[^"]+`).FindAllString(page, -1) {
		resp, body := ask(t, http.MethodGet, s.URL+ref)
		if resp.StatusCode != http.StatusOK || body == "" || !strings.Contains(resp.Header.Get("Cache-Control"), "immutable") {
			t.Errorf("%s: status %d, %d bytes, Cache-Control %q; want to be kept", ref, resp.StatusCode, len(body), resp.Header.Get("Cache-Control"))
		}
	}
	for _, path := range []string{"/static/", "/static/nothing.css", "/static/../pages.go"} {
		if resp, _ := ask(t, http.MethodGet, s.URL+path); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: status %d, want 404", path, resp.StatusCode)
		}
	}
}

// Every class that the templates use for a state, a glyph or a phase has to exist in the stylesheet.
func TestStylesheetKnowsWhatIsDrawn(t *testing.T) {
	css, err := fs.ReadFile(files, "static/style.css")
	if err != nil {
		t.Fatal(err)
	}
	parts, err := fs.ReadFile(files, "tmpl/parts.html")
	if err != nil {
		t.Fatal(err)
	}
	for _, class := range regexp.MustCompile(`class="(c-[a-z]+)"`).FindAllStringSubmatch(string(parts), -1) {
		contains(t, "style.css", string(css), "."+class[1]+" {")
	}
	for p := range probe.NumPhases {
		contains(t, "style.css", string(css), ".p-"+p.String())
	}
	for _, e := range legend() {
		contains(t, "parts.html", string(parts), fmt.Sprintf(`<pattern id="g-%s"`, e.Glyph))
	}
	for _, o := range probe.Outcomes() {
		if g := glyphNamed(o.String()); g == glyphNoData {
			t.Errorf("outcome %s has no glyph", o)
		}
	}
}

func TestFaultsOfGaikeiItselfAreShown(t *testing.T) {
	m, catalog := scene()
	if page := get(t, serve(t, m, catalog).URL+"/"); strings.Contains(page, `class="faults"`) {
		t.Error("without a fault the page shows a list of them")
	}
	faulty := func(o *Options) { o.Faults = func() []string { return []string{"region <tokyo> has been blind"} } }
	contains(t, "the page", get(t, serve(t, m, catalog, faulty).URL+"/"), `role="alert"`, "region &lt;tokyo&gt; has been blind")
}

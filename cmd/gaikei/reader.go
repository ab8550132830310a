package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/sli"
	"github.com/gaikei/gaikei/sli/timeline"
	"github.com/gaikei/gaikei/sli/web"
)

// defaultServer is where a server on this machine listens.
const defaultServer = "http://127.0.0.1:8080"

// A reader answers questions about timelines: a server does, and so does a data folder.
type reader interface {
	Reports(ctx context.Context, q sli.Query) ([]sli.Report, error)
	Steps(ctx context.Context, q sli.Query, p sli.Period) ([]sli.Report, error)
	Probers(ctx context.Context, q sli.Query) ([]sli.ProberReport, error)
	Phases(ctx context.Context, q sli.Query) ([]sli.PhaseReport, error)
	Rejected(ctx context.Context, q sli.Query) ([]sli.Rejected, error)
	Corrections(ctx context.Context, q sli.Query) ([]sli.Correction, error)
	Incidents(ctx context.Context, q sli.Query, quorum sli.Quorum) ([]sli.Incident, error)
	Certainties(ctx context.Context, q sli.Query, quorum sli.Quorum) ([]sli.Certainty, error)
	Uptimes(ctx context.Context, q sli.Query, lengths []time.Duration) ([]sli.UptimeReport, error)
	Counts(ctx context.Context, x sli.Series, q sli.Query, step time.Duration) (sli.Counts, error)
	Close() error
}

// whom says whom to ask.
type whom struct {
	server, data string
	shown        shown
}

func (o *whom) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.server, "server", "", "`URL` of a running Gaikei (default $GAIKEI_SERVER, or "+defaultServer+")")
	f.StringVar(&o.data, "data", "", "data `folder` to read: by its running server, or from the files")
	o.shown.flags(cmd)
}

// again is how the same one is asked once more, for commands that are shown.
func (o *whom) again() string {
	switch {
	case o.data != "":
		return " --data " + o.data
	case o.server != "":
		return " --server " + o.server
	}
	return ""
}

// whereOptions says whom to ask, and about which window.
type whereOptions struct {
	whom
	checks   []string
	regions  []string
	window   string
	from, to string
	output   string
	figures  string
}

func (o *whereOptions) flags(cmd *cobra.Command) {
	o.regionFlag(cmd)
	o.windowFlags(cmd)
}

func (o *whereOptions) regionFlag(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&o.regions, "region", nil, "only this `region`; repeatable")
}

// windowFlags are those of a command that is not about regions.
func (o *whereOptions) windowFlags(cmd *cobra.Command) {
	o.timeFlags(cmd)
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "`format`: text, json or csv")
}

// timeFlags say whom to ask, and about which window.
func (o *whereOptions) timeFlags(cmd *cobra.Command) {
	o.whom.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.window, "window", "", "`length` of the window that ends now, like 1h or 28d (default 1h)")
	f.StringVar(&o.from, "from", "", "`time` the window begins at: RFC 3339, or relative like -2h")
	f.StringVar(&o.to, "to", "", "with --from, `time` the window ends before: RFC 3339, or relative like -1h (default now)")
}

// open finds who answers: the server named, the one beside the data folder, or the folder itself.
func (o *whom) open(ctx context.Context, std streams) (reader, error) {
	r, err := o.running(ctx, std)
	if err != nil {
		return nil, err
	}
	if r != nil {
		return r, nil
	}
	return openFolder(ctx, o.data, std)
}

// running finds the server that answers: the one named, or the one beside the data folder; nil if none runs there.
func (o *whom) running(ctx context.Context, std streams) (*serverReader, error) {
	if o.data != "" && o.server != "" {
		return nil, usage("give one of them", "--server and --data exclude each other")
	}
	if o.data == "" {
		return o.openServer(std)
	}
	if flag := o.shown.given(); flag != "" {
		return nil, usage("leave it out: a folder is protected by its permissions", "%s has no effect with --data", flag)
	}
	return socketReader(ctx, filepath.Join(o.data, socketName)), nil
}

// openServer makes ready to ask the server that is named, or the one on this machine.
func (o *whom) openServer(std streams) (*serverReader, error) {
	from, address := "--server", o.server
	if env := os.Getenv("GAIKEI_SERVER"); address == "" && env != "" {
		from, address = "GAIKEI_SERVER", env
	}
	if address == "" {
		address = defaultServer
	}
	u, err := serverURL(from, address)
	if err != nil {
		return nil, err
	}
	r := &serverReader{}
	if r.show, err = o.shown.credential(u.User); err != nil {
		return nil, err
	}
	if r.client, err = o.shown.client(u.Scheme); err != nil {
		return nil, err
	}
	u.User = nil
	r.base = u.JoinPath("/").String()
	if beyond, err := beyondLoopback(net.JoinHostPort(u.Hostname(), "0")); r.show != "" && u.Scheme == "http" && err == nil && beyond {
		fmt.Fprintf(std.err, "gaikei: hint: %s is asked without TLS: whoever listens on the way can read what is shown to it\n", r.base)
	}
	return r, nil
}

// openFolder reads the files of a folder without a server.
func openFolder(ctx context.Context, dir string, std streams) (reader, error) {
	store, err := timeline.OpenReadOnly(ctx, dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil, unreachable(err, "read it as the user that runs Gaikei, or ask its server with --server")
	}
	if err != nil {
		return nil, unreachable(err, "is "+dir+" the folder that 'gaikei run --data' was given?")
	}
	noteQueued(ctx, dir, std.err)
	return folderReader{store}, nil
}

// query makes the question out of the flags.
func (o *whereOptions) query(now time.Time) (sli.Query, error) {
	q, err := web.ParseQuery(o.window, o.from, o.to, now)
	if err == nil {
		_, err = q.Resolve(now)
	}
	if err != nil {
		return q, usage("for example --window 1h, or --from 2026-11-23T00:00:00Z --to -1h", "%w", err)
	}
	q.Checks, q.Regions, q.Figures = o.checks, o.regions, o.figures
	return q, nil
}

// A serverReader asks the API of a running Gaikei.
type serverReader struct {
	base   string // without user and password, so that it can be told
	show   string // the Authorization header; empty: none
	client *http.Client
}

// socketReader asks the server beside a data folder; nil if there is none.
func socketReader(ctx context.Context, path string) *serverReader {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	probe, err := dial(ctx, "", "")
	if err != nil {
		return nil
	}
	probe.Close()
	return &serverReader{base: "http://local/", client: &http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: 2 * time.Minute}}
}

func (r *serverReader) Reports(ctx context.Context, q sli.Query) ([]sli.Report, error) {
	return getItems[sli.Report](ctx, r, "api/v1/sli", q)
}

func (r *serverReader) Probers(ctx context.Context, q sli.Query) ([]sli.ProberReport, error) {
	return getItems[sli.ProberReport](ctx, r, "api/v1/probers", q)
}

func (r *serverReader) Phases(ctx context.Context, q sli.Query) ([]sli.PhaseReport, error) {
	return getItems[sli.PhaseReport](ctx, r, "api/v1/phases", q)
}

func (r *serverReader) Rejected(ctx context.Context, q sli.Query) ([]sli.Rejected, error) {
	return getItems[sli.Rejected](ctx, r, "api/v1/rejected", q)
}

func (r *serverReader) Corrections(ctx context.Context, q sli.Query) ([]sli.Correction, error) {
	return getItems[sli.Correction](ctx, r, "api/v1/corrections", q)
}

func (r *serverReader) Close() error {
	r.client.CloseIdleConnections()
	return nil
}

// getItems asks for a list.
func getItems[T any](ctx context.Context, r *serverReader, path string, q sli.Query) ([]T, error) {
	return getList[T](ctx, r, path, parameters(q))
}

// parameters writes a query as the API takes it.
func parameters(q sli.Query) url.Values {
	v := url.Values{}
	for _, c := range q.Checks {
		v.Add("check", c)
	}
	for _, r := range q.Regions {
		v.Add("region", r)
	}
	if q.Window > 0 {
		v.Set("window", q.Window.String())
	}
	if !q.From.IsZero() {
		v.Set("from", q.From.Format(time.RFC3339Nano))
	}
	if !q.To.IsZero() {
		v.Set("to", q.To.Format(time.RFC3339Nano))
	}
	if q.Figures != "" {
		v.Set("figures", q.Figures)
	}
	if !q.AsOf.IsZero() {
		v.Set("as_of", q.AsOf.Format(time.RFC3339Nano))
	}
	return v
}

// maxAnswer bounds an API answer.
const maxAnswer = 1 << 30

func (r *serverReader) get(ctx context.Context, address string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	return r.do(req, into)
}

// change sends what is to be changed, as JSON; nil for nothing.
func (r *serverReader) change(ctx context.Context, method, path string, what, into any) error {
	body, err := json.Marshal(what)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	return r.do(req, into)
}

func (r *serverReader) do(req *http.Request, into any) error {
	if r.show != "" {
		req.Header.Set("Authorization", r.show)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return unreachable(fmt.Errorf("ask %s: %w", r.base, withoutURL(err)), r.connectHint(err))
	}
	defer resp.Body.Close()
	body := io.LimitReader(resp.Body, maxAnswer)
	if resp.StatusCode != http.StatusOK {
		return r.problemOf(resp.StatusCode, body)
	}
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return r.unreadable(err)
	}
	return nil
}

// unreadable tells an answer that broke off from one that another program gave.
func (r *serverReader) unreadable(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	if errors.As(err, &syntax) || errors.As(err, &kind) || errors.Is(err, io.EOF) {
		return unreachable(fmt.Errorf("ask %s: the answer is not what the API of Gaikei gives: %w", r.base, err), anotherServer)
	}
	return unreachable(fmt.Errorf("ask %s: the answer broke off: %w", r.base, err), "ask again; the log of the server may say why")
}

const anotherServer = "another program seems to listen there; --server and --data say whom to ask"

// withoutURL takes the address out of an error of net/http: it is told already.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// problemOf makes an error of an RFC 9457 problem; what the asker got wrong is a usage error.
func (r *serverReader) problemOf(status int, body io.Reader) error {
	text, _ := io.ReadAll(io.LimitReader(body, 64<<10)) // what cannot be read is no problem that could be told
	var p struct{ Detail, Want string }
	err := json.Unmarshal(text, &p)
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		if p.Detail == "" { // a proxy before it
			p.Detail = http.StatusText(status)
		}
		return unreachable(fmt.Errorf("ask %s: %d %s", r.base, status, p.Detail), r.refusedHint(status))
	case status == http.StatusBadRequest && strings.Contains(string(text), "HTTP request to an HTTPS server"):
		return unreachable(fmt.Errorf("ask %s: it wants TLS", r.base), "begin its URL with https://")
	case err != nil || p.Detail == "":
		return unreachable(fmt.Errorf("ask %s: %d %s", r.base, status, http.StatusText(status)), anotherServer)
	case status == http.StatusBadRequest || status == http.StatusNotFound:
		hint := ""
		if p.Want != "" {
			hint = "wanted is " + p.Want
		}
		return usage(hint, "%s", p.Detail)
	}
	return unreachable(fmt.Errorf("ask %s: %d %s", r.base, status, p.Detail), "")
}

// refusedHint says what could be shown, or that what was shown is not enough.
func (r *serverReader) refusedHint(status int) string {
	switch {
	case status == http.StatusForbidden && r.show == "":
		return "show a token with scope write, or use --data DIR on its own machine"
	case status == http.StatusForbidden:
		return "what was shown is valid and does not suffice for this"
	case r.show == "":
		return "show a token, in $GAIKEI_TOKEN or with --token-file, or write a user into the URL: https://USER:PASSWORD@HOST/"
	}
	return "is what was shown meant for this server, and still valid? 'gaikei token new' makes a token; its hash goes into the server's file of --tokens"
}

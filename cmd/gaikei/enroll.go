package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/probe/relay"
	"github.com/gaikei/gaikei/probe/wire"
	"github.com/gaikei/gaikei/sli/web"
)

// enrollOptions says which prober is to be let in, and where its credentials go.
type enrollOptions struct {
	whom
	region, name string
	urls         []string // where it connects; empty: where the aggregator says
	out          string   // file; "-": standard output
}

func newProbersEnroll(std streams) *cobra.Command {
	var o enrollOptions
	cmd := &cobra.Command{
		Use:   "enroll --region R --name P",
		Short: "Make the credentials of a prober, and let it in",
		Long: "Makes a new key and writes one file with all that a prober needs: who it is, where the aggregator is, its secret key\n" +
			"and the CA to trust. The secret is nowhere else; the aggregator gets the public key.",
		Example: "  gaikei probers enroll --data gaikei-data --region tokyo --name p1\n" +
			"  gaikei probers enroll --server https://gaikei.example.com --region tokyo --name p1 --url nats://gaikei.example.com:4222",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.enroll(cmd.Context(), std) },
	}
	o.flags(cmd)
	return cmd
}

func newProbersRotate(std streams) *cobra.Command {
	var o enrollOptions
	cmd := &cobra.Command{
		Use:   "rotate --region R --name P",
		Short: "Make new credentials for a prober; the old ones hold until they are revoked",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return o.rotate(cmd.Context(), std) },
	}
	o.flags(cmd)
	return cmd
}

func (o *enrollOptions) flags(cmd *cobra.Command) {
	o.whom.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.region, "region", "", "`region` that it probes for")
	f.StringVar(&o.name, "name", "", "`name` of the prober")
	f.StringArrayVar(&o.urls, "url", nil, "`URL` where it finds the aggregator; repeatable (default: where that listens)")
	f.StringVar(&o.out, "out", "", "`file` for the credentials, or - for standard output (default REGION-NAME.creds)")
}

// enroll makes the first credentials of a prober.
func (o *enrollOptions) enroll(ctx context.Context, std streams) error {
	book, keys, err := o.open(ctx, std)
	if err != nil {
		return err
	}
	defer book.close()
	if len(keys) > 0 {
		return usage("'gaikei probers rotate' makes another one", "prober %s in region %s has a key already", o.name, o.region)
	}
	return o.make(ctx, book, std)
}

// rotate makes further credentials and tells how to be rid of the old ones.
func (o *enrollOptions) rotate(ctx context.Context, std streams) error {
	book, keys, err := o.open(ctx, std)
	if err != nil {
		return err
	}
	defer book.close()
	if len(keys) == 0 {
		return usage("'gaikei probers enroll' makes one", "prober %s in region %s has no key", o.name, o.region)
	}
	if err := o.make(ctx, book, std); err != nil {
		return err
	}
	for _, key := range keys {
		fmt.Fprintf(std.err, "When the prober runs with it, end the old key: gaikei probers revoke%s --public-key %s\n", o.again(), key)
	}
	return nil
}

// open opens the key book, and finds the keys that the prober has.
func (o *enrollOptions) open(ctx context.Context, std streams) (keyBook, []string, error) {
	for _, x := range []struct{ flag, value string }{{"--region", o.region}, {"--name", o.name}} {
		if x.value == "" {
			return nil, nil, usage("for example --region tokyo --name p1", "%s is missing", x.flag)
		}
		if err := wire.CheckName(x.value); err != nil {
			return nil, nil, usage("names are of small letters, digits, - and .", "%s: %w", x.flag, err)
		}
	}
	book, err := o.book(ctx, std)
	if err != nil {
		return nil, nil, err
	}
	keys, err := book.valid(ctx, o.region, o.name)
	if err != nil {
		return nil, nil, errors.Join(err, book.close())
	}
	return book, keys, nil
}

// make makes the credentials: first the file, then the key is let in, so that no key is whose secret nobody has.
func (o *enrollOptions) make(ctx context.Context, book keyBook, std streams) error {
	at, err := book.meeting(ctx)
	if err != nil {
		return err
	}
	if len(o.urls) > 0 {
		at.URLs = o.urls
	}
	if len(at.URLs) == 0 {
		return usage("start the aggregator, which knows; or say it: --url tls://gaikei.example.com:4222", "--url is missing: no aggregator runs on %s to tell where probers find it", o.data)
	}
	creds, err := relay.NewCredentials(o.region, o.name, at.URLs, []byte(at.CA))
	if err != nil {
		return usage("URLs are like nats://gaikei.example.com:4222 or wss://gaikei.example.com:4223", "%w", err)
	}
	path, err := o.write(creds, std)
	if err != nil {
		return err
	}
	if err := book.enroll(ctx, web.Enrollment{Key: creds.PublicKey(), Region: o.region, Prober: o.name}); err != nil {
		if path != "" {
			err = errors.Join(err, os.Remove(path))
		}
		return err
	}
	if path != "" {
		fmt.Fprintf(std.err, "The credentials of prober %s in region %s are in %s. Whoever has the file can probe in its name.\nStart it there: gaikei prober --creds %s\n",
			o.name, o.region, path, filepath.Base(path))
		o.noteLoopback(at, std.err)
	}
	planned, err := book.planned(ctx, o.region)
	if err == nil && !planned {
		fmt.Fprintf(std.err, "gaikei: hint: the aggregator's configuration has no region %s yet; until it has, the prober has nothing to do\n", o.region)
	}
	return err
}

// write writes the credentials and returns where, nothing for standard output.
func (o *enrollOptions) write(creds *relay.Credentials, std streams) (string, error) {
	if o.out == "-" {
		text, err := creds.Text()
		if err == nil {
			_, err = std.out.Write(text)
		}
		return "", err
	}
	path := o.out
	if path == "" {
		path = o.region + "-" + o.name + ".creds"
	}
	if exists(path) {
		return "", usage("name another one with --out", "%s is there already", path)
	}
	if err := creds.WriteFile(path); err != nil {
		return "", unreachable(err, "name a file that can be written with --out")
	}
	return path, nil
}

// noteLoopback tells that a prober elsewhere would not find the aggregator.
func (o *enrollOptions) noteLoopback(at web.Meeting, w io.Writer) {
	for _, text := range at.URLs {
		u, err := url.Parse(text)
		if err != nil || u.Port() == "" {
			return
		}
		if beyond, err := beyondLoopback(u.Host); err != nil || beyond {
			return
		}
	}
	fmt.Fprintln(w, "gaikei: hint: it can only be used on this machine; for others give the aggregator --accept :4222 --name HOST, or this command --url")
}

// revokeOptions says which keys are to be ended.
type revokeOptions struct {
	whom
	region, name, key string
}

func newProbersRevoke(std streams) *cobra.Command {
	var o revokeOptions
	cmd := &cobra.Command{
		Use:     "revoke --public-key K | --region R --name P",
		Short:   "End a key, or all keys of a prober, and its connections at once",
		Example: "  gaikei probers revoke --data gaikei-data --region tokyo --name p1",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), std) },
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.key, "public-key", "", "public `key`, as 'gaikei probers keys' shows it")
	f.StringVar(&o.region, "region", "", "`region` of the prober whose keys are all ended")
	f.StringVar(&o.name, "name", "", "`name` of that prober")
	return cmd
}

func (o *revokeOptions) run(ctx context.Context, std streams) error {
	byName := o.region != "" && o.name != ""
	if (o.key != "") == byName || o.key != "" && o.region+o.name != "" {
		return usage("'gaikei probers keys' lists them", "which key? give either --public-key, or --region and --name")
	}
	book, err := o.book(ctx, std)
	if err != nil {
		return err
	}
	defer book.close()
	keys := []string{o.key}
	if byName {
		if keys, err = book.valid(ctx, o.region, o.name); err != nil {
			return err
		}
		if len(keys) == 0 {
			return usage("'gaikei probers keys' lists those there are", "prober %s in region %s has no key", o.name, o.region)
		}
	}
	for _, key := range keys {
		if err := book.revoke(ctx, key); err != nil {
			return err
		}
		fmt.Fprintf(std.err, "Key %s is ended.\n", key)
	}
	return nil
}

// listOptions says whom to ask for a list that is about no window, and how to print it.
type listOptions struct {
	whom
	output string
}

func (o *listOptions) flags(cmd *cobra.Command) {
	o.whom.flags(cmd)
	cmd.Flags().StringVarP(&o.output, "output", "o", "text", "`format`: text or json")
}

func newProbersKeys(std streams) *cobra.Command {
	var o listOptions
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "The keys of all probers, also those that were revoked",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			book, err := o.book(cmd.Context(), std)
			if err != nil {
				return err
			}
			defer book.close()
			list, err := book.list(cmd.Context())
			if err != nil {
				return err
			}
			return printList(o.output, std.out, list, writeKeys)
		},
	}
	o.flags(cmd)
	return cmd
}

func writeKeys(w io.Writer, list []web.Enrollment) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "REGION\tPROBER\tKEY\tCREATED\tREVOKED")
	for _, e := range list {
		revoked := ""
		if e.Revoked != nil {
			revoked = stamp(*e.Revoked)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", e.Region, e.Prober, e.Key, stamp(e.Created), revoked)
	}
	return tw.Flush()
}

// printList prints a list in the format that is wanted.
func printList[T any](format string, w io.Writer, list []T, text func(io.Writer, []T) error) error {
	switch format {
	case "text":
		return text(w, list)
	case "json":
		return writeJSON(w, list)
	}
	return usage("", "--output %q: want text or json", format)
}

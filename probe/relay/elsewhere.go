package relay

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/gaikei/gaikei/probe/wire"
)

const (
	elsewherePatience = time.Minute // for a cluster that is just starting
	elsewhereRedial   = time.Second
)

// Elsewhere is a server, or a cluster of them, that is not in this process. Its configuration is ServerConfig's.
type Elsewhere struct {
	Credentials *Credentials // of the centre, made by NewCentreCredentials
	Replicas    int          // copies of each message in a cluster; 0: 1
}

// An Enrolled is a key of a prober. A prober has two while its key is rotated.
type Enrolled struct {
	Identity
	PublicKey string
}

// ServerConfig is what a nats-server, or each of a cluster, must have in its configuration for this centre and these
// probers: their accounts, with limits. Addresses, TLS, the JetStream folder and the cluster are not in it. It depends on
// nothing but its arguments. The server can load a new one while it runs; where that has a new prober, it must load it
// twice: at the first time nats-server 2.15 makes the account and leaves its imports without effect. An error names the
// prober or key that cannot be.
func ServerConfig(centreKey string, probers []Enrolled) (string, error) {
	if !isPublicKey(centreKey) {
		return "", fmt.Errorf("write the server's configuration: the aggregator's key is %.70q, want one that begins with U", centreKey)
	}
	keys := make(map[Identity][]string)
	var ids []Identity
	for _, p := range probers {
		if err := p.check(); err != nil {
			return "", fmt.Errorf("write the server's configuration: %w", err)
		}
		if !isPublicKey(p.PublicKey) {
			return "", fmt.Errorf("write the server's configuration: the key of prober %s of region %s is %.70q, want one that begins with U",
				p.Prober, p.Region, p.PublicKey)
		}
		if keys[p.Identity] == nil {
			ids = append(ids, p.Identity)
		}
		keys[p.Identity] = append(keys[p.Identity], p.PublicKey)
	}
	slices.SortFunc(ids, Identity.compare)
	var b strings.Builder
	fmt.Fprintf(&b, "# Gaikei: the accounts of the aggregator and of %d probers. Written by the program; to be included in the server's configuration.\n", len(ids))
	fmt.Fprintf(&b, "# The server's max_payload must be at least %d, which its default is.\naccounts {\n", maxPayload)
	fmt.Fprintf(&b, "  %s {\n    jetstream: enabled\n    users: [{nkey: %s}]\n    exports: [\n", centreAccount, centreKey)
	for _, id := range ids {
		for _, subject := range exported(id) {
			fmt.Fprintf(&b, "      {service: %q, accounts: [%q], threshold: %q}\n", subject, id.account(), answerTimeout)
		}
	}
	b.WriteString("    ]\n  }\n")
	for _, id := range ids {
		writeAccount(&b, id, keys[id])
	}
	b.WriteString("}\n")
	return b.String(), nil
}

// writeAccount writes the account of one prober: all that it imports is its own.
func writeAccount(b *strings.Builder, id Identity, keys []string) {
	fmt.Fprintf(b, "  %q {\n    limits: {max_connections: %d, max_subscriptions: %d, max_payload: %d, max_leafnodes: 0}\n    users: [\n",
		id.account(), maxConnections, maxConnections*maxSubs, wire.MaxMessage+headersRoom)
	for _, k := range keys {
		fmt.Fprintf(b, "      {nkey: %s, permissions: {publish: {allow: [%s]}, subscribe: {allow: [\"_INBOX.>\"]}}}\n", k, quoted(exported(id)))
	}
	b.WriteString("    ]\n    imports: [\n")
	for _, subject := range exported(id) {
		fmt.Fprintf(b, "      {service: {account: %s, subject: %q}}\n", centreAccount, subject)
	}
	b.WriteString("    ]\n  }\n")
}

func quoted(all []string) string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = fmt.Sprintf("%q", s)
	}
	return strings.Join(out, ", ")
}

// dialElsewhere connects the centre to a server that is not in this process.
func (h *Hub) dialElsewhere(*server.Server) (*nats.Conn, error) {
	c := h.o.Elsewhere.Credentials
	options := []nats.Option{
		nats.Name("gaikei centre"), nats.Nkey(c.PublicKey(), c.key.pair().Sign), nats.ErrorHandler(silent), nats.Timeout(dialTimeout),
		nats.MaxReconnects(-1), nats.ReconnectWait(elsewhereRedial), nats.IgnoreAuthErrorAbort(), nats.IgnoreDiscoveredServers(),
		nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				h.log.Warn("the far queue's server is lost; this connects again for ever", "error", err)
			}
		}),
		nats.ReconnectHandler(func(c *nats.Conn) {
			h.log.Info("the far queue's server is reached again", "url", c.ConnectedUrlRedacted())
		}),
	}
	secure, err := c.secure()
	if err != nil {
		return nil, err
	}
	if secure != nil {
		options = append(options, nats.Secure(secure))
	}
	return nats.Connect(strings.Join(c.URLs, ","), options...)
}

// openPatiently opens a session elsewhere. A cluster that is just starting refuses for a while.
func openPatiently(ctx context.Context, b blueprint) (*session, error) {
	ctx, cancel := context.WithTimeout(ctx, elsewherePatience)
	defer cancel()
	for {
		// A cluster that is choosing its leader does not answer at all.
		attempt, end := context.WithTimeout(ctx, putTimeout)
		s, err := openSession(attempt, b)
		end()
		if err == nil {
			return s, nil
		}
		pause(ctx, elsewhereRedial)
		if ctx.Err() != nil {
			return nil, err
		}
	}
}

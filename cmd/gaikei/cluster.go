package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/probe/relay"
)

// clusterOptions say where the far queue is, if not in the aggregator's own process.
type clusterOptions struct {
	creds    string // path of the centre's credentials; empty: in this process
	replicas int
}

func (o *clusterOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.creds, "cluster-creds", "", "credentials `file` of the aggregators at a NATS cluster to use, as 'gaikei cluster credentials' makes it (default: no cluster; a server in this process)")
	f.IntVar(&o.replicas, "replicas", 1, "copies of each message in the cluster")
}

// fits tells of flags that would have no effect: changed says which were given.
func (o *clusterOptions) fits(changed func(flag string) bool) error {
	if o.creds == "" {
		if changed("replicas") {
			return usage("the built-in server keeps one copy", "--replicas is of a cluster: --cluster-creds FILE is missing")
		}
		return nil
	}
	if o.replicas < 1 {
		return usage("", "--replicas %d: want at least 1", o.replicas)
	}
	for _, flag := range []string{"accept", "accept-websocket", "name", "cert", "key", "ca"} {
		if changed(flag) {
			return usage("probers connect to the cluster's servers; leave the flag out", "--%s has no effect with --cluster-creds", flag)
		}
	}
	return nil
}

// elsewhere reads the credentials; nil if there is no cluster.
func (o *clusterOptions) elsewhere() (*relay.Elsewhere, error) {
	if o.creds == "" {
		return nil, nil
	}
	c, err := relay.ReadCredentials(o.creds)
	if err != nil {
		return nil, unreachable(err, "'gaikei cluster credentials' makes such a file")
	}
	if c.Prober != "" {
		return nil, usage("'gaikei cluster credentials' makes those of the aggregators", "--cluster-creds %s: these credentials are of prober %s in region %s", o.creds, c.Prober, c.Region)
	}
	return &relay.Elsewhere{Credentials: c, Replicas: o.replicas}, nil
}

func newCluster(std streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Use a NATS cluster of your own in place of the built-in server",
		Long: "With a NATS cluster (JetStream enabled) several aggregators share one far queue, and a server may be lost. Make the\n" +
			"aggregators' credentials once, enroll the probers, print what goes into the configuration of each server, and start\n" +
			"each aggregator with --cluster-creds. The servers need the new text and a reload when a key is revoked, and two\n" +
			"reloads when a prober is new: nats-server 2.15 leaves a new account's imports without effect the first time.",
		Example: "  gaikei cluster credentials --url nats://n1.example.com:4222 --url nats://n2.example.com:4222 --out centre.creds\n" +
			"  gaikei probers enroll --data gaikei-data --region tokyo --name p1 --url nats://n1.example.com:4222\n" +
			"  gaikei cluster config --data gaikei-data --cluster-creds centre.creds > gaikei-accounts.conf\n" +
			"  gaikei aggregator -c gaikei.yaml --cluster-creds centre.creds --replicas 3",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newClusterCredentials(std), newClusterConfig(std))
	return cmd
}

func newClusterCredentials(std streams) *cobra.Command {
	var urls []string
	var out string
	cmd := &cobra.Command{
		Use:   "credentials --url nats://…",
		Short: "Make the credentials of the aggregators",
		Args:  noArguments,
		RunE: func(*cobra.Command, []string) error {
			if exists(out) {
				return usage("name another one with --out", "%s is there already", out)
			}
			creds, err := relay.NewCentreCredentials(urls, nil)
			if err != nil {
				return usage("for example --url nats://n1.example.com:4222", "%w", err)
			}
			if err := creds.WriteFile(out); err != nil {
				return unreachable(err, "name a file that can be written with --out")
			}
			fmt.Fprintf(std.err, "The credentials of the aggregators are in %s. Add the certificates of the servers' CA below them if it is none of the system's.\n", out)
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&urls, "url", nil, "`URL` of a server of the cluster; repeatable")
	cmd.Flags().StringVar(&out, "out", "centre.creds", "`file` for the credentials")
	return cmd
}

func newClusterConfig(std streams) *cobra.Command {
	var o whom
	var creds string
	cmd := &cobra.Command{
		Use:   "config --cluster-creds FILE",
		Short: "Print the accounts, exports and permissions that the cluster's servers need",
		Long: "Prints what goes into the configuration of every server of the cluster, for the probers that are enrolled now.\n" +
			"Addresses, TLS, the JetStream folder and the cluster itself are yours to configure.",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cluster := clusterOptions{creds: creds}
			at, err := cluster.elsewhere()
			if err != nil {
				return err
			}
			if at == nil {
				return usage("'gaikei cluster credentials' makes it", "--cluster-creds FILE is missing")
			}
			book, err := o.book(cmd.Context(), std)
			if err != nil {
				return err
			}
			defer book.close()
			list, err := book.list(cmd.Context())
			if err != nil {
				return err
			}
			var probers []relay.Enrolled
			for _, e := range list {
				if e.Revoked == nil {
					probers = append(probers, relay.Enrolled{Identity: relay.Identity{Region: e.Region, Prober: e.Prober}, PublicKey: e.Key})
				}
			}
			text, err := relay.ServerConfig(at.Credentials.PublicKey(), probers)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(std.out, text)
			return err
		},
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&creds, "cluster-creds", "", "credentials `file` of the aggregators")
	return cmd
}

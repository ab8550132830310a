package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/sli/web"
)

func newProbersStatus(std streams) *cobra.Command {
	var o listOptions
	cmd := &cobra.Command{
		Use:   "status",
		Short: "How the probers fare, by their last heartbeat",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := o.running(cmd.Context(), std)
			if err != nil {
				return err
			}
			if r == nil {
				return unreachable(fmt.Errorf("no aggregator runs on %s", o.data), "only one that runs hears probers")
			}
			defer r.Close()
			var list struct{ Items []web.Presence }
			if err := r.get(cmd.Context(), r.base+"api/v1/presence", &list); err != nil {
				return notAggregator(err)
			}
			return printList(o.output, std.out, list.Items, writePresence)
		},
	}
	o.flags(cmd)
	return cmd
}

func writePresence(w io.Writer, list []web.Presence) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "No prober is enrolled. 'gaikei probers enroll' makes the credentials of one.")
		return err
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "REGION\tPROBER\tSTATE\tHEARD\tPLAN\tCHECKS\tREFUSED\tQUEUE\tOLDEST\tCLOCK\tVERSION")
	for _, p := range list {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\t%s\n", p.Region, p.Prober, p.State, heardText(p),
			planText(p), p.Checks, p.Refused, p.QueuePending, seconds(p.QueueAge), clockText(p), p.Version)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, p := range list {
		for _, f := range append(planFault(p), p.Faults...) {
			fmt.Fprintf(w, "%s in %s: %s\n", p.Prober, p.Region, strings.TrimSpace(f))
		}
	}
	return nil
}

func planFault(p web.Presence) []string {
	if p.PlanError == "" {
		return nil
	}
	return []string{p.PlanError}
}

func heardText(p web.Presence) string {
	if p.Heard == nil {
		return ""
	}
	return seconds(time.Since(*p.Heard).Seconds()) + " ago"
}

// planText tells the revision that is followed, and the newest if that is another one.
func planText(p web.Presence) string {
	if p.Revision == p.Newest {
		return fmt.Sprint(p.Revision)
	}
	return fmt.Sprintf("%d of %d", p.Revision, p.Newest)
}

func clockText(p web.Presence) string {
	if p.ClockOffset == nil {
		return ""
	}
	return fmt.Sprintf("%+.3fs", *p.ClockOffset)
}

func seconds(s float64) string {
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}

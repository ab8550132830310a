package relay

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gaikei/gaikei/probe/wire"
)

// Subjects of the near queue are gaikei.result.REGION.PROBER and gaikei.evidence.REGION.PROBER. Those that probers
// and centre talk on are gaikei.result.REGION.PROBER.LANE, gaikei.plan.REGION.PROBER and gaikei.beat.REGION.PROBER. Those of
// the far queue, which nobody but the centre has, are gaikei.far.LANE.REGION.PROBER.
const (
	resultSubject   = "gaikei.result."
	evidenceSubject = "gaikei.evidence."
	planSubject     = "gaikei.plan."
	beatSubject     = "gaikei.beat."
	farSubject      = "gaikei.far."
)

// subjectOf makes a subject.
func subjectOf(prefix, region, prober string) string {
	return prefix + tail(region, prober)
}

// tail is REGION.PROBER. A dot separates tokens there and may be in a name, where an underscore may not: so it
// stands for the dot.
func tail(region, prober string) string {
	return strings.ReplaceAll(region, ".", "_") + "." + strings.ReplaceAll(prober, ".", "_")
}

// laneSubject is where a prober's messages of a lane go.
func laneSubject(i Identity, l Lane) string {
	return subjectOf(resultSubject, i.Region, i.Prober) + "." + string(l)
}

// exported are the subjects on which a prober can reach the centre, and all that it can reach.
func exported(i Identity) []string {
	subjects := []string{subjectOf(planSubject, i.Region, i.Prober), subjectOf(beatSubject, i.Region, i.Prober)}
	for _, l := range lanes() {
		subjects = append(subjects, laneSubject(i, l))
	}
	return subjects
}

// fromLaneSubject is the reverse of laneSubject.
func fromLaneSubject(subject string) (Identity, Lane, error) {
	i := strings.LastIndexByte(subject, '.')
	if i < 0 {
		return Identity{}, "", fmt.Errorf("subject is %q, want %sREGION.PROBER.LANE", subject, resultSubject)
	}
	lane := Lane(subject[i+1:])
	if !slices.Contains(lanes(), lane) {
		return Identity{}, "", fmt.Errorf("subject is %q, want one of %v at its end", subject, lanes())
	}
	region, prober, err := fromSubject(resultSubject, subject[:i])
	return Identity{Region: region, Prober: prober}, lane, err
}

// fromSubject is the reverse of subjectOf.
func fromSubject(prefix, subject string) (region, prober string, err error) {
	rest, ok := strings.CutPrefix(subject, prefix)
	r, p, two := strings.Cut(rest, ".")
	if !ok || !two || strings.Contains(p, ".") {
		return "", "", fmt.Errorf("subject is %q, want %sREGION.PROBER", subject, prefix)
	}
	region, prober = strings.ReplaceAll(r, "_", "."), strings.ReplaceAll(p, "_", ".")
	for _, name := range []string{region, prober} {
		if err := wire.CheckName(name); err != nil {
			return "", "", fmt.Errorf("subject %q: %w", subject, err)
		}
	}
	return region, prober, nil
}

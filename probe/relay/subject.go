package relay

import (
	"fmt"
	"strings"

	"github.com/gaikei/gaikei/probe/wire"
)

// Subjects are gaikei.result.REGION.PROBER and gaikei.evidence.REGION.PROBER.
const (
	resultSubject   = "gaikei.result."
	evidenceSubject = "gaikei.evidence."
)

// subjectOf makes a subject. A dot separates tokens there and may be in a name, where an underscore may not: so
// it stands for the dot.
func subjectOf(prefix, region, prober string) string {
	return prefix + strings.ReplaceAll(region, ".", "_") + "." + strings.ReplaceAll(prober, ".", "_")
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

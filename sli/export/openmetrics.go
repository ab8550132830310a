package export

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/gaikei/gaikei/sli"
)

// A Backfill is a family of counters of the past, as OpenMetrics has them: of each timeline one series for each verdict, which
// begins at 0 at the window's beginning. A sample says what came to be before its instant. Their names are not those of the
// counters that a server shows, which begin when it starts: in one Prometheus the two must not meet in one series.
type Backfill struct {
	Name string // of its samples
	unit string // that the name ends with; empty: it has none
	help string
	of   func(*sli.StepCounts, sli.Verdict) int64 // in whole units of scale
	// scale is how many of these are one; a sum of whole numbers is exact.
	scale int64
}

// Backfills are those there are, in the order in which they are written.
func Backfills() []Backfill {
	return []Backfill{
		{
			Name: "gaikei_backfill_sli_seconds_total", unit: "seconds", scale: 1000,
			help: "Time that slots stand for, by verdict, with corrections applied. Availability is good / (good + bad).",
			of:   func(s *sli.StepCounts, v sli.Verdict) int64 { return int64(math.Round(1000 * s.Seconds.Of(v))) },
		},
		{
			Name: "gaikei_backfill_sli_slots_total", scale: 1,
			help: "Slots by verdict, with corrections applied: good, bad, none (nothing is known of the target) or excluded.",
			of:   func(s *sli.StepCounts, v sli.Verdict) int64 { return s.Slots.Of(v) },
		},
	}
}

// verdicts are in the order in which people think of them.
var verdicts = [...]sli.Verdict{sli.Good, sli.Bad, sli.None, sli.Excluded}

// Head begins the family.
func (b Backfill) Head(w io.Writer) error {
	family := strings.TrimSuffix(b.Name, "_total")
	text := "# TYPE " + family + " counter\n"
	if b.unit != "" {
		text += "# UNIT " + family + " " + b.unit + "\n"
	}
	_, err := io.WriteString(w, text+"# HELP "+family+" "+b.help+"\n")
	return err
}

// Series writes the series of one timeline, each with a sample at the window's beginning and one at the end of each step. Each
// timeline may come once in a family, and the series of a family may not be among those of another.
func (b Backfill) Series(w io.Writer, c *sli.Counts) error {
	out := bufio.NewWriter(w)
	for _, v := range verdicts {
		name := fmt.Sprintf(`%s{check="%s",region="%s",verdict="%s"} `, b.Name, escapeLabel(c.Check), escapeLabel(c.Region), v)
		sum := int64(0)
		b.sample(out, name, sum, c.From)
		for i := range c.Steps {
			sum += b.of(&c.Steps[i], v)
			b.sample(out, name, sum, c.Steps[i].To)
		}
	}
	return out.Flush()
}

// sample writes a line. A failure is told by the flush that follows.
func (b Backfill) sample(out *bufio.Writer, name string, sum int64, at time.Time) {
	line := out.AvailableBuffer()
	line = append(line, name...)
	line = appendDecimal(line, sum, b.scale)
	line = append(line, ' ')
	line = appendDecimal(line, at.UnixMilli(), 1000)
	out.Write(append(line, '\n'))
}

// appendDecimal writes n ÷ scale, with scale 1 or 1000, to the last digit.
func appendDecimal(b []byte, n, scale int64) []byte {
	b = strconv.AppendInt(b, n/scale, 10)
	rest := n % scale
	if rest == 0 {
		return b
	}
	digits := strings.TrimRight(fmt.Sprintf("%03d", rest), "0")
	return append(append(b, '.'), digits...)
}

// EndBackfill ends the text: what lacks it is not whole, and refused by who reads it.
func EndBackfill(w io.Writer) error {
	_, err := io.WriteString(w, "# EOF\n")
	return err
}

func escapeLabel(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s)
}

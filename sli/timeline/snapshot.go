package timeline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A snapshot says which transactions of PostgreSQL had ended at an instant: those below xmin, and of those below
// xmax all but the ones that were running. It is what pg_current_snapshot() says.
type snapshot struct {
	text       string // xmin:xmax:running,running,…
	xmin, xmax int64
	running    []int64 // ascending
}

// before is a snapshot of the instant before a transaction, if there were only one at a time. before(firstXID) has seen
// nothing.
func before(xid int64) snapshot {
	return snapshot{text: fmt.Sprintf("%d:%d:", xid, xid), xmin: xid, xmax: xid}
}

// firstXID is the first transaction that does not belong to the making of a cluster.
const firstXID = 3

func parseSnapshot(text string) (snapshot, error) {
	s := snapshot{text: text}
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return s, fmt.Errorf("snapshot: got %q, want xmin:xmax:running", text)
	}
	numbers := parts[:2]
	if parts[2] != "" {
		numbers = append(numbers, strings.Split(parts[2], ",")...)
	}
	for _, n := range numbers {
		x, err := strconv.ParseInt(n, 10, 64)
		if err != nil {
			return s, fmt.Errorf("snapshot %q: %w", text, err)
		}
		s.running = append(s.running, x)
	}
	s.xmin, s.xmax, s.running = s.running[0], s.running[1], s.running[2:]
	slices.Sort(s.running)
	return s, nil
}

// sees reports whether a transaction had ended.
func (s *snapshot) sees(xid int64) bool {
	if xid < s.xmin || xid >= s.xmax {
		return xid < s.xmin
	}
	_, runs := slices.BinarySearch(s.running, xid)
	return !runs
}

// A mark is the low half of a transaction's number. What is marked is in memory for minutes, so it is within 2³¹
// transactions of any snapshot that it is compared with.
type mark uint32

func (s *snapshot) seesMark(m mark) bool {
	return s.sees(s.xmax + int64(int32(uint32(m)-uint32(s.xmax))))
}

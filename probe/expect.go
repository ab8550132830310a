package probe

// Expect is what a check expects, by region, as it is configured. The zero value expects the target to be
// reachable from everywhere.
type Expect struct {
	// Unreachable names the regions from which the target should not be reachable; All means every one.
	Unreachable []string `yaml:"unreachable"`
	// By names the ways in which it may be unreachable: resolve, path or session reasons. Empty means every
	// path reason.
	By []Reason `yaml:"by"`
}

// All is the name that stands for every region.
const All = "all"

// An Expectation is what is expected of a check in one region. The zero value: reachable.
type Expectation struct {
	Unreachable bool
	By          ReasonSet // used when Unreachable
}

// A ReasonSet is a set of reasons. The zero value is the empty set.
type ReasonSet uint64

// SetOf makes a set.
func SetOf(rs ...Reason) ReasonSet {
	var s ReasonSet
	for _, r := range rs {
		s |= 1 << r
	}
	return s
}

// Has reports whether r is in the set.
func (s ReasonSet) Has(r Reason) bool { return s&(1<<r) != 0 }

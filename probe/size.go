package probe

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Size is a number of bytes, written with a unit: 512B, 64KiB, 1MiB, 1MB.
type Size int64

// The units, the largest first in each family.
var sizeUnits = [...]struct {
	name  string
	bytes int64
}{
	{"GiB", 1 << 30},
	{"MiB", 1 << 20},
	{"KiB", 1 << 10},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"B", 1},
}

// UnmarshalText reads a whole number with a unit.
func (s *Size) UnmarshalText(text []byte) error {
	in := string(text)
	for _, u := range sizeUnits {
		digits, ok := strings.CutSuffix(in, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 63)
		if err != nil || n > uint64(math.MaxInt64/u.bytes) {
			return fmt.Errorf("%q is no size; write a whole number and a unit, such as 512KiB", clip(in, 40))
		}
		*s = Size(int64(n) * u.bytes)
		return nil
	}
	if _, err := strconv.ParseUint(in, 10, 63); err == nil {
		return errors.New("a size needs a unit: B, kB, KiB, MB, MiB, GB or GiB")
	}
	return fmt.Errorf("%q is no size; write a whole number and a unit, such as 512KiB", clip(in, 40))
}

// MarshalText writes the size in the largest binary unit that divides it.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String writes the size in the largest unit that divides it, binary ones first.
func (s Size) String() string {
	for _, u := range sizeUnits {
		if s != 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return "0B"
}

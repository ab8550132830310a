package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/gaikei/gaikei/probe"
)

// TestPeerNames: what another monitor's option is called here, is there; and the option is not.
func TestPeerNames(t *testing.T) {
	for _, of := range []reflect.Type{checkType, reflect.TypeFor[probe.HTTP](), reflect.TypeFor[probe.TCP](), reflect.TypeFor[probe.DNS]()} {
		names := peerNames(of)
		if len(names) == 0 {
			t.Errorf("%s has no names of others", of)
		}
		for theirs, ours := range names {
			key, _, _ := strings.Cut(strings.Split(ours, ",")[0], ":")
			if !slices.Contains(keysOf(of), key) || slices.Contains(keysOf(of), theirs) {
				t.Errorf("%s: %s is said to be %s here", of, theirs, ours)
			}
		}
	}
}

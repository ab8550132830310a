package config

import (
	"reflect"
	"slices"

	"github.com/gaikei/gaikei/probe"
)

// A laterSet is the keys of a struct that are designed and not built yet. Ignoring one would change outcomes
// behind the user's back, and calling it unknown would send them looking for a typing error.
type laterSet struct {
	in   func() reflect.Type
	keys []string
	why  string
}

// laterKeys is the table of keys to come. A key leaves it when its struct gets the field.
func laterKeys() []laterSet {
	const noOption = "remove it; this version has no such option"
	return []laterSet{
		{typeOf[probe.Check], []string{"egress", "maintenance"}, noOption},
		{typeOf[Web], []string{"rate_limit"}, "remove it; this version limits no rates, a proxy in front can"},
		{typeOf[probe.HTTP], []string{
			"source", "interface", "resolvers", "max",
		}, noOption},
		{typeOf[probe.TCP], []string{"source", "interface", "max"}, noOption},
		{typeOf[probe.DNS], []string{
			"source", "interface", "max",
		}, noOption},
	}
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// laterNested is what comes below the options that are there already.
func laterNested() []string {
	return []string{
		"certificate", "client_certificate", "alpn", "json",
	}
}

// laterKey tells what to do about a key that is designed and not built yet; empty for any other.
func laterKey(t reflect.Type, key string) string {
	for _, l := range laterKeys() {
		if l.in() == t && slices.Contains(l.keys, key) {
			return l.why
		}
	}
	if t.PkgPath() == checkType.PkgPath() && slices.Contains(laterNested(), key) {
		return "remove it; this version has no such option"
	}
	return ""
}

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
	return []laterSet{
		{typeOf[Web], []string{"rate_limit"}, "remove it; this version limits no rates, a proxy in front can"},
		{typeOf[probe.TLS], []string{"alpn"}, "remove it; what an http check offers follows from protocol, and a tcp check offers none"},
	}
}

func typeOf[T any]() reflect.Type { return reflect.TypeFor[T]() }

// laterKey tells what to do about a key that is designed and not built yet; empty for any other.
func laterKey(t reflect.Type, key string) string {
	for _, l := range laterKeys() {
		if l.in() == t && slices.Contains(l.keys, key) {
			return l.why
		}
	}
	return ""
}

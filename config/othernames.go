package config

import (
	"reflect"
	"slices"

	"github.com/gaikei/gaikei/probe"
)

// An otherName is a key that stands for something which there is here, under another name or in another place. Other monitors, and
// whoever guesses, call it so; the key that is nearest by its letters would mean something else.
type otherName struct {
	in   func(reflect.Type) bool
	keys []string
	hint string
}

// otherNames is the table of them.
func otherNames() []otherName {
	looks := func(t reflect.Type) bool { return t == checkType || isKindStruct(t) }
	is := func(types ...reflect.Type) func(reflect.Type) bool {
		return func(t reflect.Type) bool { return slices.Contains(types, t) }
	}
	return []otherName{
		{looks, []string{"interface"}, "write source: eth0 beside the kind; it takes an interface or an address"},
		{looks, []string{"source_address", "source_ip_address", "local_address"}, "write source: 192.0.2.7 beside the kind; it takes an address or an interface"},
		{looks, []string{"resolvers", "nameservers"}, "write resolver beside the kind; it takes one or a list"},
		{looks, []string{"egress"}, "each prober has a policy of its own: start it with --egress-allow and --egress-deny"},
		{looks, []string{"maintenance"}, "write it at the top of the file: maintenance: [{name: weekly, checks: […], …}]"},
		{
			is(reflect.TypeFor[probe.HTTP](), reflect.TypeFor[probe.TCP](), reflect.TypeFor[probe.DNS]()),
			[]string{"certificate", "client_certificate", "client_cert", "cert"},
			"write tls: {cert: …, key: …}",
		},
		{is(reflect.TypeFor[probe.TLS]()), []string{"certificate", "client_certificate", "client_cert"}, "write cert, and key for its key"},
		{is(reflect.TypeFor[probe.HTTP]()), []string{"alpn"}, "write protocol: http1, http2 or http3"},
		{is(checkType, reflect.TypeFor[probe.HTTP](), reflect.TypeFor[probe.BodyMatch]()), []string{"json"}, `write it as an assertion beside the kind: assert: "json.db == 'ok'"`},
	}
}

// peerNames are options of monitors other than blackbox_exporter, and what they are called here; docs/checks.md has all of them.
func peerNames(t reflect.Type) map[string]string {
	switch t {
	case checkType:
		return map[string]string{"conditions": "assert", "frequency": "interval", "group": "groups", "enable": "enabled", "tags": "labels"}
	case reflect.TypeFor[probe.HTTP]():
		return map[string]string{
			"accepted_statuscodes": "status", "expectedStatusCode": "status", "bearer_token": "auth: {bearer: …}", "keyword": "body: {contains: …}",
		}
	case reflect.TypeFor[probe.TCP]():
		return map[string]string{"host": "address: HOST:PORT", "port": "address: HOST:PORT"}
	case reflect.TypeFor[probe.DNS]():
		return map[string]string{"min_answers": "answer: {count: {min: …}}"}
	}
	return nil
}

func isKindStruct(t reflect.Type) bool { return reflect.PointerTo(t).Implements(kindType) }

// elsewhere tells where a key is written that does not stand where it was found; empty if it is nowhere near.
func elsewhere(key string, t reflect.Type) string {
	for _, o := range otherNames() {
		if o.in(t) && slices.Contains(o.keys, key) {
			return o.hint
		}
	}
	if name := peerNames(t)[key]; name != "" {
		return "write " + name
	}
	if hint := blackboxKeys[key]; hint != "" {
		return hint
	}
	if isKindStruct(t) && slices.Contains(keysOf(checkType), key) {
		return key + " belongs to the check, beside the kind"
	}
	if blocks := blocksWith(key, t); len(blocks) > 0 {
		return key + " belongs below " + listed(blocks)
	}
	return ""
}

// blocksWith returns the keys of a struct type below which a key can stand, the kinds' included.
func blocksWith(key string, t reflect.Type) []string {
	if t == checkType {
		return slices.DeleteFunc(kindNames(), func(name string) bool {
			return !slices.Contains(keysOf(reflect.TypeOf(probe.Kinds[name]())), key)
		})
	}
	var blocks []string
	for _, f := range fieldsOf(t) {
		below := f.typ
		if below.Kind() == reflect.Pointer {
			below = below.Elem()
		}
		if isMapping(below) && slices.Contains(keysOf(below), key) {
			blocks = append(blocks, f.key)
		}
	}
	return blocks
}

package probe

import (
	"runtime"
	"sync"
	"weak"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
)

// A scope is a set of variables that the assertions of a check may use. It follows from what the check looks at.
type scope uint8

const (
	scopeHTTP       scope = iota // without TLS, and no redirect can lead to it
	scopeHTTPS                   // TLS is spoken, or may be after a redirect
	scopeTCP                     //
	scopeTLS                     // TCP with TLS
	scopeTalk                    // TCP that waits for something
	scopeSecureTalk              // that with TLS
	scopeDNS                     //
	scopeSecureDNS               // DNS with TLS
	numScopes
)

// variables names those of each scope, for people.
var variables = [numScopes]string{
	scopeHTTP:       "status, headers, body, json, address, phases and latency",
	scopeHTTPS:      "status, headers, body, json, tls, address, phases and latency",
	scopeTCP:        "address, phases and latency",
	scopeTLS:        "tls, address, phases and latency",
	scopeTalk:       "tcp, address, phases and latency",
	scopeSecureTalk: "tcp, tls, address, phases and latency",
	scopeDNS:        "dns, address, phases and latency",
	scopeSecureDNS:  "dns, tls, address, phases and latency",
}

// options declare the variables of a scope.
func (s scope) options() []cel.EnvOption {
	opts := []cel.EnvOption{
		cel.ExtendedValidations(), cel.EnableMacroCallTracking(), cel.CrossTypeNumericComparisons(true),
		cel.ParserExpressionSizeLimit(maxAssertion), cel.RegexProgramSizeLimit(maxRegexProgram),
		cel.Variable("address", cel.StringType),
		cel.Variable("phases", cel.MapType(cel.StringType, cel.DurationType)),
		cel.Variable("latency", cel.DurationType),
	}
	if s == scopeHTTP || s == scopeHTTPS {
		opts = append(opts,
			cel.Variable("status", cel.IntType),
			cel.Variable("headers", cel.MapType(cel.StringType, cel.ListType(cel.StringType))),
			cel.Variable("body", cel.StringType),
			cel.Variable("json", cel.DynType))
	}
	if s == scopeHTTPS || s == scopeTLS || s == scopeSecureTalk || s == scopeSecureDNS {
		opts = append(opts, object[seenTLS]("gaikei.TLS"), cel.Variable("tls", cel.ObjectType("gaikei.TLS")))
	}
	if s == scopeTalk || s == scopeSecureTalk {
		opts = append(opts, object[seenStep]("gaikei.Step"), object[seenTCP]("gaikei.TCP"), cel.Variable("tcp", cel.ObjectType("gaikei.TCP")))
	}
	if s == scopeDNS || s == scopeSecureDNS {
		opts = append(opts, object[seenRecord]("gaikei.Record"), object[seenDNS]("gaikei.DNS"), cel.Variable("dns", cel.ObjectType("gaikei.DNS")))
	}
	return opts
}

// object declares a struct, with the fields that have tags.
func object[T any](name string) cel.EnvOption {
	return cel.Types(cel.NativeTypeFor[T](types.ParseStructTags(true), cel.NativeTypeAlias(name)))
}

// compiled are the expressions of the process. It is a variable, as the roots of the system are one to crypto/x509: checks
// are read one at a time, by whoever reads a configuration or a plan, and what they share is in none of them.
var compiled = newExpressions()

// expressions compiles each text once, and keeps what some check still has. It may be used by many goroutines at a time.
type expressions struct {
	mu    sync.Mutex // guards what is below
	envs  [numScopes]*cel.Env
	known map[expressionKey]weak.Pointer[expression]
}

func newExpressions() *expressions {
	return &expressions{known: map[expressionKey]weak.Pointer[expression]{}}
}

type expressionKey struct {
	scope scope
	text  string
}

// of returns the compiled expression of a text, or what is wrong with it.
func (x *expressions) of(s scope, text string) (*expression, []fault) {
	x.mu.Lock()
	defer x.mu.Unlock()
	key := expressionKey{s, text}
	if e := x.known[key].Value(); e != nil {
		return e, nil
	}
	if x.envs[s] == nil {
		env, err := cel.NewEnv(s.options()...)
		if err != nil {
			return nil, []fault{{message: err.Error()}}
		}
		x.envs[s] = env
	}
	e, faults := compile(x.envs[s], text)
	if e == nil {
		return nil, faults
	}
	x.known[key] = weak.Make(e)
	runtime.AddCleanup(e, x.forget, key)
	return e, nil
}

// forget drops an expression that nobody has any more, unless it was compiled again meanwhile.
func (x *expressions) forget(key expressionKey) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.known[key].Value() == nil {
		delete(x.known, key)
	}
}

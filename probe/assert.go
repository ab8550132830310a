package probe

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// Bounds of assertions. They are the limits of a check's author, and of what a target can make of its answer.
const (
	maxAssertions   = 16
	maxAssertion    = 4096      // characters of one expression
	maxAssertedBody = 256 << 10 // bytes of a body that assertions see
	maxAssertCost   = 1000000   // of one evaluation, in CEL's units: some tens of milliseconds
	maxRegexProgram = 10000     // instructions of a regular expression, of the target's words perhaps
	interruptEvery  = 100       // steps of a loop between two looks at the context
)

// An expression is a compiled assertion. It is immutable and safe for concurrent use.
type expression struct {
	text    string
	env     *cel.Env
	ast     *cel.Ast
	program cel.Program
	body    bool // it looks at the body
	heard   bool // it looks at what a conversation heard
}

// compile reads and checks one expression in an environment.
func compile(env *cel.Env, text string) (*expression, []fault) {
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, faultsOf(issues)
	}
	if t := checked.OutputType(); !t.IsExactType(cel.BoolType) && !t.IsExactType(cel.DynType) {
		return nil, []fault{{message: "it comes to " + cel.FormatCELType(t) + ", wanted true or false"}}
	}
	if fs := slips(checked.NativeRep()); len(fs) > 0 {
		return nil, fs
	}
	e := &expression{text: text, env: env, ast: checked}
	for _, r := range checked.NativeRep().ReferenceMap() {
		e.body = e.body || r.Name == "body" || r.Name == "json"
		e.heard = e.heard || r.Name == "tcp"
	}
	program, err := e.plan(cel.EvalOptions(cel.OptOptimize))
	if err != nil {
		return nil, []fault{{message: err.Error()}}
	}
	e.program = program
	return e, nil
}

func (e *expression) plan(how cel.ProgramOption) (cel.Program, error) {
	return e.env.Program(e.ast, how, cel.CostLimit(maxAssertCost), cel.InterruptCheckFrequency(interruptEvery))
}

// A fault is one thing wrong with an expression.
type fault struct {
	line, column int // from 1; zero: of the whole
	message      string
}

func faultsOf(issues *cel.Issues) []fault {
	var fs []fault
	for _, e := range issues.Errors() {
		message, _, _ := strings.Cut(e.Message, " expecting {") // a list of all that the grammar knows
		fs = append(fs, fault{e.Location.Line(), e.Location.Column() + 1, strings.TrimSuffix(message, " (in container '')")})
	}
	return fs
}

// slips finds what has the right type and can never be meant: phases that there are none of, and names of headers in
// capitals. At each attempt it would be told as a fault of the target.
func slips(a *ast.AST) []fault {
	var fs []fault
	note := func(e ast.Expr, message string) {
		at := a.SourceInfo().GetStartLocation(e.ID())
		fs = append(fs, fault{at.Line(), at.Column() + 1, message})
	}
	ast.PostOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		of, key := keyed(e)
		switch {
		case of == "phases" && !slices.Contains(phaseNames[:], key):
			note(e, fmt.Sprintf("there is no phase %q, but %s", key, strings.Join(phaseNames[:], ", ")))
		case of == "headers" && key != strings.ToLower(key):
			note(e, fmt.Sprintf("names of headers are in lower case here: %q", strings.ToLower(key)))
		}
	}))
	return fs
}

// keyed returns the variable and the key of a look into a map of the top, as v.key or v["key"]; empty for all else.
func keyed(e ast.Expr) (variable, key string) {
	switch e.Kind() {
	case ast.SelectKind:
		if s := e.AsSelect(); s.Operand().Kind() == ast.IdentKind {
			return s.Operand().AsIdent(), s.FieldName()
		}
	case ast.CallKind:
		args := e.AsCall().Args()
		if e.AsCall().FunctionName() != operators.Index || args[0].Kind() != ast.IdentKind || args[1].Kind() != ast.LiteralKind {
			return "", ""
		}
		if s, ok := args[1].AsLiteral().Value().(string); ok {
			return args[0].AsIdent(), s
		}
	}
	return "", ""
}

var (
	errNotHeld     = errors.New("it does not hold")
	errInterrupted = errors.New("the time of the attempt was up")
)

// holds evaluates the expression: nil if it is true. It returns soon after ctx ends.
func (e *expression) holds(ctx context.Context, a *seen) error {
	v, _, err := e.program.ContextEval(ctx, a)
	switch {
	case err != nil && ctx.Err() != nil:
		return errInterrupted
	case err != nil:
		return fmt.Errorf("it cannot be evaluated: %w", err)
	case v == types.True:
		return nil
	case v == types.False:
		return errNotHeld
	}
	return fmt.Errorf("it came to %s, wanted true or false", v.Type().TypeName())
}

// hold judges what checks of every kind may want: assertions, and limits of phases. What a target said comes before how
// long it took, and both come last: nothing is done for an attempt that has failed already. The last phase has ended.
func (t *trail) hold(ctx context.Context, s seen) {
	x := t.w.extra
	if x == nil || t.a.Reason != ReasonNone {
		return
	}
	if len(x.assertions) > 0 {
		looked := s // a copy, so that s costs the attempts nothing that have no assertions
		looked.t = t
		t.assert(ctx, x.assertions, &looked)
	}
	t.limit(x.limits)
}

// assert evaluates every assertion, and notes the first that does not hold.
func (t *trail) assert(ctx context.Context, es []*expression, s *seen) {
	errs := make([]error, len(es))
	for i, e := range es {
		errs[i] = e.holds(ctx, s)
		switch {
		case errs[i] == nil:
		case errors.Is(errs[i], errInterrupted) && stopped(ctx):
			t.fail(Stopped, errs[i])
		case errors.Is(errs[i], errInterrupted):
			// Each evaluation is bounded, so that there was no time for it is ours.
			t.fail(Internal, fmt.Errorf("assert %s: %w before it was evaluated", e.text, errs[i]))
		default:
			t.fail(Assertion, fmt.Errorf("assert %s: %w", e.text, errs[i]))
		}
	}
	if !t.wanted() {
		return
	}
	for i, e := range es {
		t.observed = append(t.observed, e.observe(ctx, s, errs[i]))
	}
}

// observe says what came of an evaluation, for people.
func (e *expression) observe(ctx context.Context, s *seen, err error) Observation {
	o := Observation{What: "assert", Want: clip(e.text, maxLine), Got: "true", Held: err == nil, Reason: Assertion}
	switch {
	case errors.Is(err, errNotHeld):
		o.Got = e.explain(ctx, s)
	case err != nil:
		o.Got = s.public(err.Error())
	}
	return o
}

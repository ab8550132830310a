package probe

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// maxGot bounds the value that is shown of an assertion, in bytes.
const maxGot = 256

// An explainer says why an expression came to false.
type explainer struct {
	ast   *cel.Ast
	state interpreter.EvalState
	seen  *seen
}

// explain evaluates once more, and keeps what each part came to: which costs, so only failures are explained.
func (e *expression) explain(ctx context.Context, s *seen) string {
	program, err := e.plan(cel.EvalOptions(cel.OptTrackState))
	if err != nil {
		return "false"
	}
	_, details, err := program.ContextEval(ctx, s)
	if err != nil || details == nil {
		return "false"
	}
	x := explainer{e.ast, details.State(), s}
	return x.why(e.ast.NativeRep().Expr())
}

// why follows what is false in a conjunction to the comparison that is, and tells its left side.
func (x explainer) why(e ast.Expr) string {
	switch e.Kind() {
	case ast.CallKind:
	case ast.ComprehensionKind:
		return "false" // what it came to over all is all that is kept
	default:
		return x.tell(e)
	}
	call := e.AsCall()
	switch call.FunctionName() {
	case operators.LogicalAnd:
		for _, arg := range call.Args() {
			if v, ok := x.state.Value(arg.ID()); ok && v == types.False {
				return x.why(arg)
			}
		}
	case operators.Equals, operators.NotEquals, operators.Less, operators.LessEquals, operators.Greater, operators.GreaterEquals, operators.In:
		return x.tell(call.Args()[0])
	default:
		if call.IsMemberFunction() {
			return x.tell(call.Target())
		}
	}
	return "false"
}

// tell shows a part of the expression and what it came to.
func (x explainer) tell(e ast.Expr) string {
	v, ok := x.state.Value(e.ID())
	text, err := cel.ExprToString(e, x.ast.NativeRep().SourceInfo())
	if !ok || err != nil {
		return "false"
	}
	return clip(text, maxGot) + " = " + x.shown(v)
}

// shown is a value for people: short, and without secrets.
func (x explainer) shown(v ref.Val) string {
	switch v := v.(type) {
	case types.String:
		return strconv.Quote(clip(x.seen.clean(string(v)), maxGot))
	case types.Duration:
		return v.Duration.String()
	case types.Null:
		return "null"
	case types.Bool, types.Int, types.Uint, types.Double, types.Timestamp:
		return fmt.Sprint(v.Value())
	case traits.Mapper:
		return fmt.Sprintf("a map of %v", v.Size().Value())
	case traits.Lister:
		return fmt.Sprintf("a list of %v", v.Size().Value())
	}
	return "a value of the type " + v.Type().TypeName()
}

// clean takes secrets out of a text: our own, and those that a target sets in its headers.
func (s *seen) clean(text string) string {
	if s.hide == nil {
		return text
	}
	if s.resp != nil {
		for name, values := range s.resp.Header {
			if !slices.Contains(sensitive, http.CanonicalHeaderKey(name)) {
				continue
			}
			for _, v := range values {
				s.hide.add(v)
			}
		}
	}
	return s.hide.clean(text)
}

// public is a text for people.
func (s *seen) public(text string) string { return clip(s.clean(text), maxLine) }

package probe

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
)

// seenTCP is the variable tcp: what a conversation heard.
type seenTCP struct {
	Banner string            `cel:"banner"`
	Steps  []seenStep        `cel:"steps"` // all of the dialogue, in order
	Named  map[string]string `cel:"named"` // the named groups of all expressions; of a name that is there twice the last
}

// seenStep is one step of a dialogue. What sends or closes hears nothing.
type seenStep struct {
	Text     string        `cel:"text"`     // what came, up to the end of what was waited for
	Captures []string      `cel:"captures"` // of an expression: the whole match, then its groups
	Took     time.Duration `cel:"took"`
}

// hears reports whether anything is waited for that assertions can look into.
func (c *TCP) hears() bool { return c.Banner != nil || slices.ContainsFunc(c.Dialogue, Step.hears) }

func (s Step) hears() bool { return s.Expect != nil || s.ExpectText != "" || s.ExpectHex.bytes != nil }

// heed lets attempts keep what they hear. It is called after Validate and before the first attempt.
func (c *TCP) heed() {
	c.ready.heeds = true
	for _, m := range c.ready.moves {
		if e, ok := m.maker.(*expecting); ok && e.re != nil {
			e.groups = true
		}
	}
}

// A hearing keeps what a conversation heard, for assertions. A nil hearing keeps nothing.
type hearing struct {
	texts []heardText // by move
	size  int         // bytes of texts and groups, also of those that are not kept
}

// A heardText is what one move waited for.
type heardText struct {
	text   string
	re     *regexp.Regexp // nil: none
	groups []int          // where they are in text, as of package regexp
}

// add keeps what a move waited for. Groups count as well: they can hold the same text many times.
func (h *hearing) add(move int, b []byte, re *regexp.Regexp, groups []int) {
	if h == nil {
		return
	}
	h.size += len(b)
	for i := 0; i+1 < len(groups); i += 2 {
		h.size += groups[i+1] - groups[i]
	}
	if h.size <= maxAssertedBody {
		h.texts[move] = heardText{string(b), re, groups}
	}
}

// captures are the groups of a text; those that took no part in the match are empty.
func (t *heardText) captures() []string {
	var all []string
	for i := 0; i+1 < len(t.groups); i += 2 {
		text := ""
		if t.groups[i] >= 0 {
			text = t.text[t.groups[i]:t.groups[i+1]]
		}
		all = append(all, text)
	}
	return all
}

// heardValue is the variable tcp. It has all that was heard, never a part of it.
func (v *conversation) heardValue() (*seenTCP, error) {
	h := v.heard
	if h.size > maxAssertedBody {
		return nil, fmt.Errorf("what was heard has %d bytes with its captures, more than the %s that assertions look into", h.size, Size(maxAssertedBody))
	}
	s := &seenTCP{Steps: make([]seenStep, len(v.c.Dialogue)), Named: map[string]string{}}
	first := len(h.texts) - len(v.c.Dialogue) // each step is one move
	for i := range h.texts {
		t := &h.texts[i]
		step := seenStep{Text: strings.ToValidUTF8(t.text, "\uFFFD"), Captures: v.captures(t, s.Named), Took: v.records[i].took}
		switch {
		case i >= first:
			s.Steps[i-first] = step
		case v.c.ready.moves[i].what == "banner":
			s.Banner = step.Text
		}
	}
	return s, nil
}

// captures are those of a text, as text; those with a name are noted. Where the target repeats a secret they may be a part of
// it, which would not be recognised.
func (v *conversation) captures(t *heardText, named map[string]string) []string {
	all := t.captures()
	repeats := v.hide.clean(t.text) != t.text
	for i, c := range all {
		if repeats {
			v.hide.add(c)
		}
		all[i] = strings.ToValidUTF8(c, "\uFFFD")
		if name := t.re.SubexpNames()[i]; name != "" {
			named[name] = all[i]
		}
	}
	return all
}

// slips finds what an assertion wants to know of a dialogue that has no such part.
func (c *TCP) slips(a *ast.AST) []fault {
	var fs []fault
	ast.PostOrderVisit(a.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if message := c.slip(e); message != "" {
			at := a.SourceInfo().GetStartLocation(e.ID())
			fs = append(fs, fault{at.Line(), at.Column() + 1, message})
		}
	}))
	return fs
}

func (c *TCP) slip(e ast.Expr) string {
	if of, field := keyed(e); of == "tcp" && field == "banner" && c.Banner == nil {
		return "this check waits for no banner"
	}
	if of, field := selected(e); of != nil {
		if variable, key := keyed(of); variable == "tcp" && key == "named" && !slices.Contains(c.groupNames(), field) {
			return fmt.Sprintf("no expression of this check has a group with the name %q", clip(field, 40))
		}
		return c.stepSlip(of, field)
	}
	of, n, ok := indexed(e)
	if !ok {
		return ""
	}
	if variable, key := keyed(of); variable == "tcp" && key == "steps" && (n < 0 || n >= int64(len(c.Dialogue))) {
		return fmt.Sprintf("there is no step %d: the dialogue has %d, counted from 0", n, len(c.Dialogue))
	}
	if step, field := selected(of); step != nil && field == "captures" {
		if i, ok := c.stepOf(step); ok && c.Dialogue[i].Expect != nil && (n < 0 || n > int64(c.Dialogue[i].Expect.NumSubexp())) {
			return fmt.Sprintf("there is no capture %d: dialogue[%d].expect has %d groups", n, i, c.Dialogue[i].Expect.NumSubexp())
		}
	}
	return ""
}

// stepSlip finds a look at what a step cannot have heard.
func (c *TCP) stepSlip(step ast.Expr, field string) string {
	i, ok := c.stepOf(step)
	if !ok {
		return ""
	}
	s := &c.Dialogue[i]
	switch {
	case field == "text" && !s.hears():
		return fmt.Sprintf("dialogue[%d] waits for nothing, so it has no text", i)
	case field == "captures" && s.Expect == nil:
		return fmt.Sprintf("dialogue[%d] has no expect, so it has no captures", i)
	}
	return ""
}

// stepOf is the step that an expression such as tcp.steps[2] is, if there is one.
func (c *TCP) stepOf(e ast.Expr) (int, bool) {
	of, n, ok := indexed(e)
	if !ok || n < 0 || n >= int64(len(c.Dialogue)) {
		return 0, false
	}
	variable, key := keyed(of)
	return int(n), variable == "tcp" && key == "steps"
}

func (c *TCP) groupNames() []string {
	var names []string
	if c.Banner != nil && c.Banner.Regex != nil {
		names = c.Banner.Regex.SubexpNames()
	}
	for _, s := range c.Dialogue {
		if s.Expect != nil {
			names = append(names, s.Expect.SubexpNames()...)
		}
	}
	return names
}

// selected returns what a field is taken of, and its name, as e.name or e["name"]; nil for all else. Asking whether it is there,
// as has(e.name) does, is no taking.
func selected(e ast.Expr) (of ast.Expr, field string) {
	if e.Kind() == ast.SelectKind && !e.AsSelect().IsTestOnly() {
		return e.AsSelect().Operand(), e.AsSelect().FieldName()
	}
	if of, key, ok := literally(e); ok {
		if name, ok := key.(string); ok {
			return of, name
		}
	}
	return nil, ""
}

// indexed returns what a place is taken of, and which, as e[2].
func indexed(e ast.Expr) (of ast.Expr, n int64, ok bool) {
	of, key, ok := literally(e)
	if !ok {
		return nil, 0, false
	}
	n, ok = key.(int64)
	return of, n, ok
}

// literally returns the parts of e[key] with a key that is written out.
func literally(e ast.Expr) (of ast.Expr, key any, ok bool) {
	if e.Kind() != ast.CallKind || e.AsCall().FunctionName() != operators.Index {
		return nil, nil, false
	}
	args := e.AsCall().Args()
	if args[1].Kind() != ast.LiteralKind {
		return nil, nil, false
	}
	return args[0], args[1].AsLiteral().Value(), true
}

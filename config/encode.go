package config

import (
	"bytes"
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/gaikei/gaikei/probe"
)

// An encoder writes values as the decoder reads them, every default filled in, keys in the order of the structs.
type encoder struct {
	conceal bool // hide what looks like a credential
	plain   bool // set if something looked like one and was not hidden
	types   typeTable
	reads   *decoder // reads defaults, to tell what is one
}

func newEncoder() *encoder {
	return &encoder{types: typeTable{}, reads: newDecoder("", noFiles)}
}

// Show returns the configuration as canonical YAML with every default filled in, for people. References to
// secrets stay references; credentials that are written out are replaced, so what has some does not parse to the
// same File; everything else does.
func (f *File) Show() []byte {
	e := newEncoder()
	e.conceal = true
	return e.bytes(reflect.ValueOf(*f))
}

// Block returns the check as one canonical block of YAML, from which ParseCheck makes an equal check. It holds
// whatever credentials the configuration has written out.
func Block(c *probe.Check) []byte { return newEncoder().bytes(reflect.ValueOf(*c)) }

// Changed reports whether two versions of a check differ in anything that is configured; nil is no check.
func Changed(old, next *probe.Check) bool {
	if old == nil || next == nil {
		return old != next
	}
	return !bytes.Equal(Block(old), Block(next))
}

// ControlsChanged reports whether two configurations differ in their controls.
func ControlsChanged(old, next *File) bool {
	return !bytes.Equal(ControlsBlock(old.Controls), ControlsBlock(next.Controls))
}

func (e *encoder) bytes(v reflect.Value) []byte {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	// Neither a buffer nor a tree that was built here makes an encoder fail.
	_ = enc.Encode(e.node(v, ""))
	_ = enc.Close()
	return b.Bytes()
}

// node returns a value as a node; nil for what is left out. key is that of the value, for telling credentials.
func (e *encoder) node(v reflect.Value, key string) *yaml.Node {
	t := v.Type()
	switch {
	case t == durationType:
		return bareScalar(FormatDuration(time.Duration(v.Int())))
	case t == timeType:
		return e.time(v.Interface().(time.Time))
	case t == kindType:
		return e.kind(v)
	case v.Kind() == reflect.Pointer:
		return e.pointer(v, key)
	}
	if text, ok := textOf(v); ok {
		return e.text(text, t, key)
	}
	switch v.Kind() {
	case reflect.Struct:
		return e.structure(v)
	case reflect.Map:
		return e.table(v, key)
	case reflect.Slice:
		return e.list(v, key)
	case reflect.String:
		return textNode(e.concealed(strings.ReplaceAll(v.String(), open, escapedOpen), key))
	}
	return basic(v)
}

// text returns the scalar form of a type that reads its own text.
func (e *encoder) text(text string, t reflect.Type, key string) *yaml.Node {
	if !takesReferences(t) {
		text = strings.ReplaceAll(text, open, escapedOpen)
	}
	text = e.concealed(text, key)
	if text != "" && strings.Trim(text, "0123456789") == "" {
		return bareScalar(text) // the type reads its digits as they are
	}
	return textNode(text)
}

func basic(v reflect.Value) *yaml.Node {
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		return bareScalar(strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits()))
	default:
		return bareScalar(fmt.Sprint(v.Interface()))
	}
}

func (e *encoder) time(t time.Time) *yaml.Node {
	if t.IsZero() {
		return nil
	}
	return bareScalar(t.Format(time.RFC3339Nano))
}

// kind returns the block of a kind in a mapping by its key.
func (e *encoder) kind(v reflect.Value) *yaml.Node {
	if v.IsNil() {
		return nil
	}
	m := &yaml.Node{Kind: yaml.MappingNode}
	add(m, kindOf(v.Interface().(probe.Kind)), e.pointer(v.Elem(), ""))
	return m
}

// pointer returns what is pointed at; that it is there tells something even if all of it is left out.
func (e *encoder) pointer(v reflect.Value, key string) *yaml.Node {
	if v.IsNil() {
		return nil
	}
	if n := e.node(v.Elem(), key); n != nil {
		return n
	}
	return &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
}

// structure returns a mapping of the fields that are not empty, or that have a default to override.
func (e *encoder) structure(v reflect.Value) *yaml.Node {
	m := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range e.types.of(v.Type()) {
		value := v.FieldByIndex(f.index)
		switch {
		case f.role == isKey:
		case f.role == isKind:
			if n := e.node(value, ""); n != nil {
				m.Content = append(m.Content, n.Content...)
			}
		case f.fallback != "" && isMapping(f.typ) && e.isDefault(value, f):
			add(m, f.key, e.reads.fallback(f.fallback))
		case f.fallback != "" || f.required || isMapping(f.typ) || !value.IsZero():
			add(m, f.key, e.field(value, f))
		}
	}
	if len(m.Content) == 0 {
		return nil
	}
	return m
}

// field returns the value of a field. A list that is empty in spite of a default must say so.
func (e *encoder) field(v reflect.Value, f field) *yaml.Node {
	if n := e.node(v, f.key); n != nil || f.fallback == "" {
		return n
	}
	if v.Kind() == reflect.Slice {
		return &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	}
	return nil
}

// isDefault reports whether a value is what its default makes of it.
func (e *encoder) isDefault(v reflect.Value, f field) bool {
	want := reflect.New(f.typ).Elem()
	e.reads.value(e.reads.fallback(f.fallback), want, "")
	return reflect.DeepEqual(v.Interface(), want.Interface())
}

// list returns a sequence, or a mapping of entries that have a key of their own; nil if it is empty.
func (e *encoder) list(v reflect.Value, key string) *yaml.Node {
	if v.Len() == 0 {
		return nil
	}
	f, keyed := withRole(v.Type().Elem(), isKey)
	n := &yaml.Node{Kind: yaml.SequenceNode}
	if keyed {
		n.Kind = yaml.MappingNode
	}
	for i := range v.Len() {
		item := e.node(v.Index(i), key)
		if item == nil {
			item = &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
		}
		if keyed {
			add(n, v.Index(i).FieldByIndex(f.index).String(), item)
			continue
		}
		n.Content = append(n.Content, item)
	}
	if !keyed && !slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return c.Kind != yaml.ScalarNode || c.Style != 0 }) {
		n.Style = yaml.FlowStyle
	}
	return n
}

// table returns a mapping in the order of the keys; nil if it is empty.
func (e *encoder) table(v reflect.Value, outer string) *yaml.Node {
	if v.Len() == 0 {
		return nil
	}
	m := &yaml.Node{Kind: yaml.MappingNode}
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, k := range keys {
		if item := e.node(v.MapIndex(k), outer+"."+k.String()); item != nil {
			add(m, strings.ReplaceAll(k.String(), open, escapedOpen), item)
			continue
		}
		add(m, strings.ReplaceAll(k.String(), open, escapedOpen), &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle})
	}
	return m
}

func add(m *yaml.Node, key string, value *yaml.Node) {
	if value != nil {
		m.Content = append(m.Content, textNode(key), value)
	}
}

// textOf returns the scalar form of a value, if its type has one and the value does too.
func textOf(v reflect.Value) (string, bool) {
	if !isText(v.Type()) {
		return "", false
	}
	p := reflect.New(v.Type())
	p.Elem().Set(v)
	switch x := p.Interface().(type) {
	case encoding.TextMarshaler:
		text, err := x.MarshalText()
		return string(text), err == nil && (len(text) > 0 || !isMapping(v.Type()))
	case fmt.Stringer:
		return x.String(), !isMapping(v.Type())
	}
	return "", false
}

// bareScalar is a number, a duration and the like, which need no quotes.
func bareScalar(text string) *yaml.Node { return &yaml.Node{Kind: yaml.ScalarNode, Value: text} }

// textNode is a text, in a style in which it survives.
func textNode(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	switch {
	case text == "<<": // without quotes it is a merge key, and the emitter does not know
		n.Style = yaml.DoubleQuotedStyle
	case !strings.ContainsAny(text, "\n\r\t\u0085\u2028\u2029\ufeff"):
	case isBlockText(text):
		n.Style = yaml.LiteralStyle
	default:
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// isBlockText reports whether a text of several lines can be written as a literal block with nothing lost: the
// emitter is not to be trusted with blanks at the ends of lines.
func isBlockText(text string) bool {
	if strings.ContainsAny(text, "\r\t\u0085\u2028\u2029\ufeff") || strings.HasPrefix(text, "\n") || strings.HasPrefix(text, " ") || strings.HasSuffix(text, "\n\n") {
		return false
	}
	return !strings.Contains(text, " \n") && !strings.HasSuffix(text, " ")
}

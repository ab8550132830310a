package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// document parses the text into the root node of its one document. Without one it has told why.
func (d *decoder) document(data []byte) *yaml.Node {
	if !d.legible(data) {
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	switch err := parse(dec, &doc); {
	case errors.Is(err, io.EOF):
		d.tell(spot{line: 1, column: 1}, "the file is empty", d.least)
		return nil
	case err != nil:
		d.syntax(err, data)
		return nil
	}
	switch err := parse(dec, &second); {
	case err == nil:
		d.note(at(&second, ""), "found a second document, wanted one", "remove the line --- and what is below, or put it into a file of its own")
	case !errors.Is(err, io.EOF):
		d.syntax(err, data)
		return nil
	}
	root := doc.Content[0]
	d.plainOnly(root)
	return root
}

// parse reads one document. The parser reports some faults by panicking past its own recover.
func parse(dec *yaml.Decoder, n *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	return dec.Decode(n)
}

// legible tells the first byte that is not text.
func (d *decoder) legible(data []byte) bool {
	line, column := 1, 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			d.tell(spot{line: line, column: column}, fmt.Sprintf("found the byte 0x%02x, wanted UTF-8", data[i]), "save the file as UTF-8")
			return false
		case r < ' ' && r != '\t' && r != '\n' && r != '\r', r == 0x7f:
			d.tell(spot{line: line, column: column}, fmt.Sprintf("found the control character U+%04X", r), "in a double-quoted text it is written as an escape")
			return false
		case r == '\n':
			line, column = line+1, 0
		}
		i, column = i+size, column+1
	}
	return true
}

// syntax tells what the YAML parser says; it knows lines and no columns.
func (d *decoder) syntax(err error, data []byte) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(message, "unknown anchor '"); ok {
		name, _, _ := strings.Cut(rest, "'")
		d.tell(spotOf(data, "*"+name), "found the alias "+d.marked("*", name)+", which is not supported", "write the value out; a text that begins with * goes in quotes")
		return
	}
	s := spot{line: 1, column: 1}
	if rest, ok := strings.CutPrefix(message, "line "); ok {
		number, said, _ := strings.Cut(rest, ": ")
		if n, err := strconv.Atoi(number); err == nil {
			s.line, message = max(1, n), said
		}
		if isOfParser(message) {
			s.line = lineSaying(err, data, s.line+1)
		}
	}
	hint := ""
	if line := lineOf(data, s.line); strings.HasPrefix(strings.TrimLeft(line, " "), "\t") {
		hint = "indent with spaces; YAML takes no tabs"
	}
	d.tell(s, "not valid YAML: "+message, hint)
}

// isOfParser reports whether a message is of the parser, which counts lines from 0, not of the scanner.
func isOfParser(message string) bool {
	for _, m := range []string{"node content", "key", "'-' indicator", "',' or ']'", "',' or '}'", "<document start>"} {
		if message == "did not find expected "+m {
			return true
		}
	}
	return false
}

// lineSaying returns the first line without which the text would not give this error. In a block the parser only
// says where the block began; for anything else that line, start, is the best there is.
func lineSaying(err error, data []byte, start int) int {
	if !strings.HasSuffix(err.Error(), "expected key") && !strings.HasSuffix(err.Error(), "'-' indicator") {
		return start
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	i := sort.Search(len(lines), func(i int) bool {
		var n yaml.Node
		said := parse(yaml.NewDecoder(bytes.NewReader(bytes.Join(lines[:i+1], nil))), &n)
		return said != nil && said.Error() == err.Error()
	})
	if i == len(lines) {
		return start
	}
	return i + 1
}

// spotOf returns where a word first stands outside lines of comment.
func spotOf(data []byte, word string) spot {
	for i, line := range strings.Split(string(data), "\n") {
		before, _, ok := strings.Cut(line, word)
		if ok && !strings.HasPrefix(strings.TrimSpace(line), "#") {
			return spot{line: i + 1, column: utf8.RuneCountInString(before) + 1}
		}
	}
	return spot{line: 1, column: 1}
}

func lineOf(data []byte, n int) string {
	lines := bytes.Split(data, []byte("\n"))
	if n < 1 || n > len(lines) {
		return ""
	}
	return string(lines[n-1])
}

// plainOnly tells every use of what YAML has and this configuration does not: anchors, aliases, merge keys and
// tags. They hide what a file says from who reads it.
func (d *decoder) plainOnly(n *yaml.Node) {
	shared := "what checks share can stand under defaults"
	if d.discreet { // it is not the file with the checks
		shared = "a text that begins with such a character goes in quotes"
	}
	switch {
	case n.Kind == yaml.AliasNode:
		d.note(at(n, ""), "found the alias "+d.marked("*", n.Value)+", which is not supported", "write the value out; "+shared)
		return
	case n.Anchor != "":
		d.note(at(n, ""), "found the anchor "+d.marked("&", n.Anchor)+", which is not supported", shared)
	case n.Style&yaml.TaggedStyle != 0:
		d.note(at(n, ""), "found the tag "+d.marked("", n.Tag)+", which is not supported", "to make a text of a value, put it in quotes")
	case n.Tag == mergeTag:
		d.note(at(n, ""), "found the merge key <<, which is not supported", shared)
	}
	for _, c := range n.Content {
		d.plainOnly(c)
	}
}

// marked is what an anchor, an alias or a tag is called, unless it may be a secret that lacks its quotes.
func (d *decoder) marked(mark, name string) string {
	if d.discreet {
		return mark + "…"
	}
	return mark + name
}

const (
	mergeTag = "!!merge"
	nullTag  = "!!null"
	boolTag  = "!!bool"
)

// foreign reports whether plainOnly has told about the node already, so that nothing can be made of it.
func foreign(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || n.Style&yaml.TaggedStyle != 0 || n.Tag == mergeTag
}

package config

import (
	"encoding"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// scalar decodes a scalar node, which is not null.
func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	switch t := v.Type(); {
	case t == durationType:
		d.duration(n, v, path)
	case t == timeType:
		d.time(n, v, path)
	case isText(t):
		d.text(n, v, path)
	case v.Kind() == reflect.String:
		d.str(n, v, path)
	case v.Kind() == reflect.Bool:
		d.boolean(n, v, path)
	default:
		d.number(n, v, path)
	}
}

func (d *decoder) duration(n *yaml.Node, v reflect.Value, path string) {
	x, err := ParseDuration(n.Value)
	if err != nil {
		d.tell(at(n, path), err.Error(), DurationHint(n.Value))
		return
	}
	v.SetInt(int64(x))
}

func (d *decoder) time(n *yaml.Node, v reflect.Value, path string) {
	x, err := time.Parse(time.RFC3339, n.Value)
	if err != nil {
		hint := ""
		if _, err := time.Parse("2006-01-02T15:04:05", n.Value); err == nil {
			hint = "add the zone: " + n.Value + "Z, or +09:00 in place of Z"
		}
		d.tell(at(n, path), "found "+d.found(n.Value)+", wanted "+wanted(timeType), hint)
		return
	}
	v.Set(reflect.ValueOf(x.UTC()))
}

// text decodes into a type that reads its own text. References pass only into those made for them.
func (d *decoder) text(n *yaml.Node, v reflect.Value, path string) {
	value := n.Value
	if !takesReferences(v.Type()) && !d.discreet {
		var ok bool
		if value, ok = d.unescape(n, path); !ok {
			return
		}
	}
	if err := v.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(value)); err != nil {
		d.tell(at(n, path), err.Error(), hintOf(err))
	}
}

// hintOf returns the way out that an error knows, if it knows one.
func hintOf(err error) string {
	if h, ok := err.(interface{ Hint() string }); ok {
		return h.Hint()
	}
	return ""
}

func (d *decoder) str(n *yaml.Node, v reflect.Value, path string) {
	if n.Tag == boolTag && n.Style == 0 {
		d.tell(at(n, path), "found "+n.Value+", wanted text", "if the text is meant, put it in quotes: \""+n.Value+"\"")
		return
	}
	if s, ok := d.unescape(n, path); ok {
		v.SetString(s)
	}
}

// A reference begins with open; the text itself is written escaped.
const (
	open        = "${"
	escapedOpen = "$${"
)

// unescape turns $${ into ${ and refuses a bare ${, which would not be resolved here.
func (d *decoder) unescape(n *yaml.Node, path string) (string, bool) {
	if strings.Contains(strings.ReplaceAll(n.Value, escapedOpen, "\x00"), open) {
		d.tell(at(n, path), "found ${ in "+d.found(n.Value)+", and this key takes no references",
			"references stand in headers and in what is sent; for the text ${ itself write $${")
		return "", false
	}
	return strings.ReplaceAll(n.Value, escapedOpen, open), true
}

func (d *decoder) boolean(n *yaml.Node, v reflect.Value, path string) {
	hints := map[string]string{"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false", "true": "true", "false": "false"}
	switch {
	case n.Tag == boolTag && n.Value == "true", n.Tag == boolTag && n.Value == "false":
		v.SetBool(n.Value == "true")
	case hints[strings.ToLower(n.Value)] != "":
		d.tell(at(n, path), "found "+d.found(n.Value)+", wanted true or false", "write "+hints[strings.ToLower(n.Value)])
	default:
		d.tell(at(n, path), "found "+d.found(n.Value)+", wanted true or false", "")
	}
}

// number decodes decimal numbers, as people write them; YAML's octal, hexadecimal and underscores are refused.
func (d *decoder) number(n *yaml.Node, v reflect.Value, path string) {
	var err error
	switch v.Kind() {
	case reflect.Float32, reflect.Float64:
		var x float64
		x, err = strconv.ParseFloat(n.Value, v.Type().Bits())
		if err == nil && !math.IsInf(x, 0) && !math.IsNaN(x) && strings.Trim(n.Value, "+-.0123456789eE") == "" {
			v.SetFloat(x)
			return
		}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		var x uint64
		if x, err = strconv.ParseUint(n.Value, 10, v.Type().Bits()); err == nil && isPlain(n) {
			v.SetUint(x)
			return
		}
	default:
		var x int64
		if x, err = strconv.ParseInt(n.Value, 10, v.Type().Bits()); err == nil && isPlain(n) {
			v.SetInt(x)
			return
		}
	}
	d.tell(at(n, path), "found "+d.found(n.Value)+", wanted "+wanted(v.Type()), numberHint(n))
}

// isPlain reports whether a number is without quotes and without leading zeros, which some read as octal.
func isPlain(n *yaml.Node) bool {
	digits := strings.TrimLeft(n.Value, "+-")
	return n.Style == 0 && (digits == "0" || !strings.HasPrefix(digits, "0"))
}

func numberHint(n *yaml.Node) string {
	if _, err := strconv.ParseFloat(n.Value, 64); err == nil && n.Style != 0 {
		return "take it out of the quotes"
	}
	return "in decimal digits"
}

// takesReferences reports whether values of the type may hold references to secrets.
func takesReferences(t reflect.Type) bool {
	return t.Implements(reflect.TypeFor[interface{ HasSecrets() bool }]())
}

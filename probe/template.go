package probe

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A Template is a text that may hold references to secrets: ${env:GAIKEI_SECRET_NAME} and ${file:PATH},
// where PATH is below the prober's folder of secrets. $${ stands for ${ itself. What a reference stands for
// is looked up for each attempt and is never part of the Template. The zero value is the empty text.
// Immutable once unmarshalled; safe for concurrent use.
type Template struct {
	source string
	parts  []part
}

// A part is plain text or a reference.
type part struct {
	text         string
	scheme, name string // of a reference
}

// secretPrefix begins the names of the environment variables that a prober gives out. Any other name would
// let whoever writes the configuration read the prober's environment.
const secretPrefix = "GAIKEI_SECRET_"

// Literal makes a Template of a text that holds no references, whatever it looks like.
func Literal(text string) Template {
	t := Template{source: strings.ReplaceAll(text, "${", "$${")}
	if text != "" {
		t.parts = []part{{text: text}}
	}
	return t
}

// UnmarshalText reads a text with references. Its error says which reference is wrong and why.
func (t *Template) UnmarshalText(text []byte) error {
	parts, err := parseTemplate(string(text))
	if err != nil {
		return err
	}
	*t = Template{source: string(text), parts: parts}
	return nil
}

// MarshalText returns the source, in which secrets are only named.
func (t Template) MarshalText() ([]byte, error) { return []byte(t.source), nil }

// String returns the source, in which secrets are only named.
func (t Template) String() string { return t.source }

// IsZero reports the empty text.
func (t Template) IsZero() bool { return t.source == "" }

// Equal reports whether two templates have the same source.
func (t Template) Equal(o Template) bool { return t.source == o.source }

// HasSecrets reports whether there is a reference in it.
func (t Template) HasSecrets() bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return p.scheme != "" })
}

// Resolve looks up the references with secret, which may be nil if there are none. Its error names the reference that cannot be
// read and shows no secret.
func (t Template) Resolve(secret func(scheme, name string) (string, error)) (string, error) {
	return t.expand(&World{Secret: secret}, &redactor{})
}

// parseTemplate reads a text with references; also names schemes beside those of secrets.
func parseTemplate(s string, also ...string) ([]part, error) {
	var parts []part
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			parts = append(parts, part{text: plain.String()})
			plain.Reset()
		}
	}
	for s != "" {
		i := strings.Index(s, "${")
		if i < 0 {
			plain.WriteString(s)
			break
		}
		if i > 0 && s[i-1] == '$' {
			plain.WriteString(s[:i-1] + "${")
			s = s[i+2:]
			continue
		}
		plain.WriteString(s[:i])
		flush()
		p, rest, err := parseReference(s[i+2:], also)
		if err != nil {
			return nil, err
		}
		parts, s = append(parts, p), rest
	}
	flush()
	return parts, nil
}

// parseReference reads what follows "${", up to and with the closing brace.
func parseReference(s string, also []string) (part, string, error) {
	inner, rest, closed := strings.Cut(s, "}")
	if !closed {
		return part{}, "", fmt.Errorf("the reference ${%s is not closed by }; write $${ for a plain ${", clip(s, 40))
	}
	scheme, name, _ := strings.Cut(inner, ":")
	var err error
	switch {
	case scheme == "env":
		err = checkSecretName(name)
	case scheme == "file":
		err = checkSecretPath(name)
	case slices.Contains(also, scheme):
	default:
		err = errors.New("use ${env:GAIKEI_SECRET_…} or ${file:…}, or write $${ for a plain ${")
	}
	if err != nil {
		return part{}, "", fmt.Errorf("the reference ${%s} cannot be used: %w", clip(inner, 80), err)
	}
	return part{scheme: scheme, name: name}, rest, nil
}

func checkSecretName(name string) error {
	tail, ok := strings.CutPrefix(name, secretPrefix)
	if !ok || tail == "" {
		return fmt.Errorf("only variables named %s… are given out", secretPrefix)
	}
	for _, c := range tail {
		if (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return fmt.Errorf("%q is no character of a variable's name", c)
		}
	}
	return nil
}

func checkSecretPath(name string) error {
	switch {
	case name == "":
		return errors.New("the name of the file is missing")
	case strings.HasPrefix(name, "/"), strings.ContainsAny(name, "\\\x00"), slices.Contains(strings.Split(name, "/"), ".."):
		return errors.New("the file must be named by a path below the folder of secrets")
	}
	return nil
}

// expand looks up the references. It adds what they stand for to hide, and fails if one cannot be read.
func (t Template) expand(w *World, hide *redactor) (string, error) {
	if len(t.parts) == 1 && t.parts[0].scheme == "" {
		return t.parts[0].text, nil
	}
	var b strings.Builder
	for _, p := range t.parts {
		if p.scheme == "" {
			b.WriteString(p.text)
			continue
		}
		if w.Secret == nil {
			return "", fmt.Errorf("${%s:%s}: this prober gives out no secrets", p.scheme, p.name)
		}
		v, err := w.Secret(p.scheme, p.name)
		if err != nil {
			return "", fmt.Errorf("${%s:%s}: %w", p.scheme, p.name, err)
		}
		hide.add(v)
		b.WriteString(v)
	}
	return b.String(), nil
}

// redacted stands where a secret was.
const redacted = "[redacted]"

// A redactor takes secrets out of texts. The zero value knows none. It is for one goroutine.
type redactor struct {
	forms   []string // longest first when replacing
	longest int
}

// add makes the redactor know a secret, plain and in the forms in which servers like to repeat it.
func (r *redactor) add(secret string) {
	if strings.TrimSpace(secret) == "" {
		return
	}
	quoted := strconv.Quote(secret)
	for _, f := range []string{
		secret, strings.TrimSpace(secret), url.QueryEscape(secret), url.PathEscape(secret),
		encode64(secret), jsonForm(secret), htmlForm(secret), quoted[1 : len(quoted)-1],
	} {
		if !slices.Contains(r.forms, f) {
			r.forms = append(r.forms, f)
			r.longest = max(r.longest, len(f))
		}
	}
}

// clean returns s without secrets.
func (r *redactor) clean(s string) string {
	if len(r.forms) == 0 || s == "" {
		return s
	}
	slices.SortFunc(r.forms, func(a, b string) int { return len(b) - len(a) })
	for _, f := range r.forms {
		s = strings.ReplaceAll(s, f, redacted)
	}
	return s
}

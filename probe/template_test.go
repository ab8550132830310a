package probe

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTemplate(t *testing.T) {
	w := &World{Secret: func(scheme, name string) (string, error) { return "<" + scheme + " " + name + ">", nil }}
	tests := []struct{ source, want string }{
		{"", ""},
		{"plain", "plain"},
		{"${env:GAIKEI_SECRET_A}", "<env GAIKEI_SECRET_A>"},
		{"Bearer ${env:GAIKEI_SECRET_A} x ${file:dir/key}!", "Bearer <env GAIKEI_SECRET_A> x <file dir/key>!"},
		{"$${env:HOME}", "${env:HOME}"},
		{"$$${x", "$${x"},
		{"cost: 5$ {x}", "cost: 5$ {x}"},
		{"$$", "$$"},
	}
	for _, tt := range tests {
		tm := template(t, tt.source)
		got, err := tm.expand(w, &redactor{})
		if err != nil || got != tt.want {
			t.Errorf("%q -want +got:\n- %q\n+ %q (%v)", tt.source, tt.want, got, err)
		}
		if tm.String() != tt.source {
			t.Errorf("String() -want +got:\n- %q\n+ %q", tt.source, tm)
		}
	}
}

func TestTemplateRefuses(t *testing.T) {
	tests := map[string]string{
		"${env:HOME}":                 "only variables named GAIKEI_SECRET_",
		"${env:GAIKEI_SECRET_}":       "only variables named GAIKEI_SECRET_",
		"${env:GAIKEI_SECRET_A-B}":    "no character",
		"${env:GAIKEI_SECRET_A":       "not closed",
		"${HOME}":                     "use ${env:",
		"${}":                         "use ${env:",
		"${vault:x}":                  "use ${env:",
		"${file:}":                    "missing",
		"${file:/etc/passwd}":         "below the folder",
		"${file:../x}":                "below the folder",
		"${file:a/../../x}":           "below the folder",
		"fine ${file:a} ${file:/etc}": "below the folder",
	}
	for source, want := range tests {
		var tm Template
		err := tm.UnmarshalText([]byte(source))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: the error is %v, want one with %q", source, err, want)
		}
	}
}

func TestTemplateFails(t *testing.T) {
	sad := errors.New("no such variable")
	w := &World{Secret: func(string, string) (string, error) { return "", sad }}
	if _, err := template(t, "${env:GAIKEI_SECRET_A}").expand(w, &redactor{}); !errors.Is(err, sad) {
		t.Errorf("error -want +got:\n- %v\n+ %v", sad, err)
	}
}

func TestLiteral(t *testing.T) {
	for _, text := range []string{"", "plain", "${env:HOME}", "$${", "$", "a${"} {
		again := template(t, Literal(text).String())
		for _, tm := range []Template{Literal(text), again} {
			got, err := tm.expand(&World{}, &redactor{})
			if err != nil || got != text {
				t.Errorf("-want +got:\n- %q\n+ %q (%v)", text, got, err)
			}
		}
	}
}

func TestRedactor(t *testing.T) {
	var r redactor
	r.add("p&ss")
	r.add("p&ss word\n")
	r.add(" ")
	got := r.clean("p&ss, p&ss word, p%26ss+word%0A, p%26ss, cCZzcw==, p&amp;ss, a b")
	want := "[redacted], [redacted], [redacted], [redacted], [redacted], [redacted], a b"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"", "a${env:GAIKEI_SECRET_X}b", "$${", "${file:a/b}", "$$${env:}", "${"} {
		f.Add(s)
	}
	w := &World{Secret: func(string, string) (string, error) { return "", nil }}
	f.Fuzz(func(t *testing.T, s string) {
		var tm Template
		if err := tm.UnmarshalText([]byte(s)); err != nil {
			return
		}
		text, err := tm.expand(w, &redactor{})
		if err != nil {
			t.Errorf("%q was read and cannot be expanded: %v", s, err)
		}
		if !tm.HasSecrets() && template(t, Literal(text).String()).String() != Literal(text).String() {
			t.Errorf("%q does not survive", s)
		}
	})
}

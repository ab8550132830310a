package probe

import (
	"errors"
	"strings"
	"testing"
)

// TestSecrets: what was resolved is taken out of texts, also in other forms; what cannot be is an error.
func TestSecrets(t *testing.T) {
	s := &Secrets{Lookup: func(scheme, name string) (string, error) {
		if name != "GAIKEI_SECRET_KEY" {
			return "", errors.New("not set")
		}
		return `s3cret "key"`, nil
	}}
	const clean = `s3cret "key" is not known yet`
	if got := s.Clean(clean); got != clean {
		t.Errorf("before: got %q", got)
	}
	got, err := s.Resolve(template(t, "Bearer ${env:GAIKEI_SECRET_KEY}, $${x"))
	if err != nil || got != `Bearer s3cret "key", ${x` {
		t.Errorf("got %q, error %v", got, err)
	}
	s.Hide("written out")
	if got := s.Clean(`s3cret "key", s3cret \"key\", s3cret+%22key%22, written out; and more`); strings.Contains(got, "s3cret") || strings.Contains(got, "written") || !strings.HasSuffix(got, "; and more") {
		t.Errorf("cleaned: got %q", got)
	}
	if _, err := s.Resolve(template(t, "${env:GAIKEI_SECRET_OTHER}")); err == nil || !strings.Contains(err.Error(), "GAIKEI_SECRET_OTHER") {
		t.Errorf("got error %v, want one that names the variable", err)
	}
}

package probe

// Secrets resolves references outside of attempts, and takes what they stood for out of other texts. It is for one
// goroutine.
type Secrets struct {
	// Lookup returns what the reference ${scheme:name} stands for.
	Lookup func(scheme, name string) (string, error)

	hide redactor
}

// Resolve returns the text with what its references stand for, and knows that to be secret from then on.
func (s *Secrets) Resolve(t Template) (string, error) {
	return t.expand(&World{Secret: s.Lookup}, &s.hide)
}

// Hide makes a text be known as secret.
func (s *Secrets) Hide(text string) { s.hide.add(text) }

// Clean returns a text without what is known as secret, also in the forms in which servers like to repeat it.
func (s *Secrets) Clean(text string) string { return s.hide.clean(text) }

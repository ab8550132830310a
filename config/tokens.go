package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
)

// Tokens are the bearer tokens that a server takes. It is not changed once it is read.
type Tokens struct {
	// List may be empty: then no token is valid.
	List []Token `yaml:"tokens" required:"true" example:"tokens: [] takes none"`
}

// A Token is a bearer token, known by its hash only.
type Token struct {
	Name   string `yaml:"name" required:"true"`
	Scope  Scope  `yaml:"scope" required:"true"`
	SHA256 Digest `yaml:"sha256" required:"true" example:"'gaikei token new' prints it"`
}

// A Scope is what the bearer of a token may do.
type Scope uint8

// The scopes; write includes read.
const (
	ReadScope Scope = iota + 1
	WriteScope
)

func scopes() []word[Scope] { return []word[Scope]{{"read", ReadScope}, {"write", WriteScope}} }

// UnmarshalText takes read or write. A token could stand here by mistake, so nothing is quoted.
func (s *Scope) UnmarshalText(text []byte) error {
	n, err := unword(text, scopes())
	if err != nil {
		return hinted{errors.New("found another text, wanted read or write"), meant(string(text), []string{"read", "write"})}
	}
	*s = n
	return nil
}

// String returns the word.
func (s Scope) String() string { return reword(s, scopes()) }

// A Digest is the SHA-256 hash of a token's text.
type Digest [sha256.Size]byte

var errDigest = errors.New("wanted 64 hexadecimal digits")

// UnmarshalText takes hexadecimal digits and, so that a token written by mistake is not shown, quotes nothing.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return hinted{fmt.Errorf("found %d characters, %w", len(text), errDigest), "here stands the token's hash, not the token; 'gaikei token new' prints both"}
	}
	if _, err := hex.Decode(d[:], text); err != nil {
		return hinted{fmt.Errorf("found other characters, %w", errDigest), "here stands the token's hash; 'gaikei token new' prints it"}
	}
	return nil
}

// String returns the digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// ParseTokens validates a file of tokens that was read from the file called name. The error, if any, is a Faults, and
// quotes nothing but names.
func ParseTokens(name string, data []byte) (*Tokens, error) {
	d := newDecoder(name, noFiles)
	d.discreet, d.least = true, "write tokens: [] to take none"
	t := new(Tokens)
	if root := d.document(data); root != nil {
		d.value(root, reflect.ValueOf(t).Elem(), "")
		d.tokens(t)
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return t, nil
}

// tokens tells names that are none, and what is there twice.
func (d *decoder) tokens(t *Tokens) {
	names, hashes := map[string]spot{}, map[Digest]spot{}
	for i, token := range t.List {
		path := fmt.Sprintf("tokens[%d]", i)
		d.nameOf(token.Name, path)
		d.unique(names, token.Name, join(path, "name"))
		p := join(path, "sha256")
		if !d.sound(p) || token.SHA256 == (Digest{}) {
			continue
		}
		if first, again := hashes[token.SHA256]; again {
			d.tell(d.where(p), fmt.Sprintf("found the hash again that is in line %d", first.line), "a token has one name and one scope")
			continue
		}
		hashes[token.SHA256] = d.where(p)
	}
}

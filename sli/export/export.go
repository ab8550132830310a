// Package export writes definitions of SLOs for programs that evaluate SLOs from Prometheus.
//
// All formats count with one counter, gaikei_slo_seconds_total{slo,verdict}. Quorums and weights are no sums over the counters of
// checks, and no format could say them; in that counter they are worked out already. So an error is what is bad, and the total
// is what is good or bad, whatever the SLO is made of. An SLO by the worst of several has no counter, and cannot be exported.
//
// The package reads nothing, logs nothing and knows no time: the same SLOs give the same text.
package export

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/gaikei/gaikei/sli"
)

// A Format is a language in which SLOs are defined.
type Format struct {
	Name  string
	About string // what it is for, in a few words

	rename func(slo string) string // the name in this format; two SLOs may come to have the same
	define func(*sli.SLO) (document, error)
	join   func([]document) ([]byte, error) // all in one text
}

// Formats are those there are, in the order in which people are told of them.
func Formats() []Format {
	return []Format{
		{"sloth", "Sloth, prometheus/v1", same, sloth, follow},
		{"pyrra", "Pyrra, as Kubernetes objects or files", same, pyrra, follow},
		{"openslo", "OpenSLO v1", dashed, openSLO, follow},
		{"openslo-v1alpha", "OpenSLO v1alpha, as Sloth reads it", dashed, openSLOAlpha, follow},
		{"slo-generator", "slo-generator v2, with its Prometheus backend", same, sloGenerator, follow},
		{"nobl9", "Nobl9, n9/v1alpha", dashed, nobl9, follow},
		{"prometheus-rules", "Prometheus, recording rules and alerts", same, prometheusRules, oneRuleFile},
	}
}

// A File is the definition of one SLO.
type File struct {
	Name string // the SLO's name and .yaml
	Text []byte
}

// Files defines each SLO in a file of its own. The SLOs must be valid. The error tells every SLO that the format cannot
// express, every two that would have the same name in it, and those by the worst of several.
func (f Format) Files(slos []sli.SLO) ([]File, error) {
	docs, err := f.documents(slos)
	if err != nil {
		return nil, err
	}
	var files []File
	for _, d := range docs {
		text, err := d.text()
		if err != nil {
			return nil, err
		}
		files = append(files, File{d.slo + ".yaml", text})
	}
	return files, nil
}

// Text defines all SLOs in one text. It fails where Files does.
func (f Format) Text(slos []sli.SLO) ([]byte, error) {
	docs, err := f.documents(slos)
	if err != nil {
		return nil, err
	}
	return f.join(docs)
}

func (f Format) documents(slos []sli.SLO) ([]document, error) {
	var docs []document
	var errs []error
	names := map[string]string{} // to the SLO that has it
	for i := range slos {
		s := &slos[i]
		name := f.rename(s.Name)
		if other, taken := names[name]; taken {
			errs = append(errs, fmt.Errorf("SLOs %s and %s would both be called %s in %s", other, s.Name, name, f.Name))
			continue
		}
		names[name] = s.Name
		d, err := f.document(s)
		if err != nil {
			errs = append(errs, fmt.Errorf("SLO %s: %w", s.Name, err))
			continue
		}
		docs = append(docs, d)
	}
	return docs, errors.Join(errs...)
}

func (f Format) document(s *sli.SLO) (document, error) {
	if !s.Additive() {
		return document{}, errors.New("it goes by the worst of several, which is no sum over time, so there is no counter of it")
	}
	d, err := f.define(s)
	d.slo = s.Name
	d.notes = append([]string{fmt.Sprintf("Written by 'gaikei export %s' from the SLO %s; change that instead.", f.Name, s.Name)}, d.notes...)
	return d, err
}

func same(slo string) string { return slo }

// dashed is the name where dots are not allowed.
func dashed(slo string) string { return strings.ReplaceAll(slo, ".", "-") }

// A document is the definition of one SLO, and what a reader has to know of it.
type document struct {
	slo   string
	notes []string // one line each
	body  any
}

func (d document) comment() string { return "# " + strings.Join(d.notes, "\n# ") + "\n" }

func (d document) text() ([]byte, error) {
	body, err := encode(d.body)
	if err != nil {
		return nil, fmt.Errorf("write the SLO %s: %w", d.slo, err)
	}
	return append([]byte(d.comment()), body...), nil
}

func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}

// follow puts one document after the other.
func follow(docs []document) ([]byte, error) {
	var texts [][]byte
	for _, d := range docs {
		text, err := d.text()
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return bytes.Join(texts, []byte("---\n")), nil
}

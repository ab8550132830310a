package wire

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// A prober asks for its plan in questions of one line, and what answers is a line and perhaps what follows it:
//
//	manifest 7     same                          7 is the newest revision
//	               manifest LF and the manifest  another one is
//	chunk NAME     chunk LF and the chunk
//	               error LF and why not          to either question

// AskManifest is the question for the newest manifest, by who has a revision; 0 is none.
func AskManifest(have int64) []byte { return fmt.Appendf(nil, "manifest %d", have) }

// AskChunk is the question for a chunk.
func AskChunk(name string) []byte { return []byte("chunk " + name) }

// Plans is where questions are answered from.
type Plans struct {
	Manifest func() (Manifest, error)          // the newest
	Chunk    func(name string) ([]byte, error) // of the newest plan, or of one before it
}

// Answer answers a question, whatever it is.
func (p Plans) Answer(question []byte) []byte {
	verb, what, _ := strings.Cut(string(question[:min(len(question), 100)]), " ")
	switch verb {
	case "manifest":
		have, err := strconv.ParseInt(what, 10, 64)
		if err != nil {
			break
		}
		m, err := p.Manifest()
		switch {
		case err != nil:
			return sayError(err)
		case m.Revision == have:
			return []byte("same")
		}
		return append([]byte("manifest\n"), m.Marshal()...)
	case "chunk":
		data, err := p.Chunk(what)
		if err != nil {
			return sayError(err)
		}
		return append([]byte("chunk\n"), data...)
	}
	return sayError(fmt.Errorf("got question %.40q, want manifest and a revision, or chunk and its name", question))
}

func sayError(err error) []byte { return fmt.Appendf(nil, "error\n%.500s", err) }

// ReadManifestAnswer reads the answer to AskManifest; nil: the revision that the asker has is the newest.
func ReadManifestAnswer(answer []byte) (*Manifest, error) {
	what, rest, err := readAnswer(answer)
	if err != nil || what == "same" {
		return nil, err
	}
	if what != "manifest" {
		return nil, fmt.Errorf("%w: asked for a manifest, got %q", ErrMalformed, what)
	}
	m, err := ReadManifest(rest)
	if err != nil {
		return nil, err
	}
	return &m, nil
}

// ReadChunkAnswer reads the answer to AskChunk and checks that it is what was asked for.
func ReadChunkAnswer(name string, answer []byte) ([]byte, error) {
	what, rest, err := readAnswer(answer)
	if err != nil {
		return nil, err
	}
	if what != "chunk" {
		return nil, fmt.Errorf("%w: asked for a chunk, got %q", ErrMalformed, what)
	}
	return rest, CheckChunk(name, rest)
}

func readAnswer(answer []byte) (what string, rest []byte, err error) {
	line, rest, _ := bytes.Cut(answer, []byte("\n"))
	what = string(line[:min(len(line), 40)])
	if what == "error" {
		return "", nil, fmt.Errorf("the aggregator answers: %.500q", rest)
	}
	return what, rest, nil
}

package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// maxInlined bounds a file that is read into the configuration: probers keep all of it in memory.
const maxInlined = 1 << 20

// errNoFiles is why a block that came from elsewhere cannot name files of this machine.
var errNoFiles = errors.New("files are read where the configuration is; here the text must be in the block")

// noFiles refuses every file.
func noFiles(string) (string, error) { return "", errNoFiles }

// filesBeside reads files whose names are relative to the folder that name is in.
func filesBeside(name string) func(string) (string, error) {
	return func(path string) (string, error) {
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(name), path)
		}
		return readText(path)
	}
}

// readText reads a regular file of text.
func readText(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", bare(err)
	case !info.Mode().IsRegular():
		return "", errors.New("not a regular file")
	case info.Size() > maxInlined:
		return "", fmt.Errorf("it has %d bytes, wanted at most %d", info.Size(), maxInlined)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", bare(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxInlined+1))
	switch {
	case err != nil:
		return "", bare(err)
	case len(data) > maxInlined:
		return "", fmt.Errorf("it has more than %d bytes", maxInlined)
	case !utf8.Valid(data):
		return "", errors.New("it is not UTF-8 text")
	}
	return string(data), nil
}

// bare takes the operation and the path off an error that is told with the path already.
func bare(err error) error {
	if e := new(fs.PathError); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// fromFile decodes {file: path} into a text. What is in the file is taken literally: a ${ in it is no reference.
func (d *decoder) fromFile(p placed, v reflect.Value) {
	d.spots[p.path] = at(p.node, p.path)
	var block struct {
		File string `yaml:"file" required:"true"`
	}
	before := len(d.faults)
	d.structure(p.node, reflect.ValueOf(&block).Elem(), p.path)
	if len(d.faults) > before {
		return
	}
	text, err := d.read(block.File)
	if err != nil {
		d.tell(d.where(p.path+".file"), fmt.Sprintf("read the file %s: %v", found(block.File), err), "a relative path starts at the folder of the configuration")
		return
	}
	literal := *p.node
	literal.Kind, literal.Tag, literal.Style, literal.Content = yaml.ScalarNode, "!!str", yaml.DoubleQuotedStyle, nil
	literal.Value = strings.ReplaceAll(text, open, escapedOpen)
	d.value(&literal, v, p.path)
}

// Package docs holds those pages of the documentation that the program itself reads.
package docs

import _ "embed" // for the pages

// Configuration is the page about gaikei.yaml, with its table of every key.
//
//go:embed configuration.md
var Configuration string

// Reference is the page of names that others build on, with the command line's variables and files.
//
//go:embed reference.md
var Reference string

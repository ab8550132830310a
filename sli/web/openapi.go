package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"
)

const (
	openAPIVersion = "3.1.0"
	documentTitle  = "Gaikei"
	documentAbout  = "External monitoring: what probers in many regions saw, as availability and latency indicators.\n\n" +
		"Within v1 members and operations are only added. What can be read with GET can be asked for with HEAD. Unknown and repeated parameters are refused. " +
		"Times are RFC 3339, or relative to now like -1h; durations are like 90s, 1h30m or 28d. " +
		"A list is given line by line to who accepts application/x-ndjson; then the last line is {\"next\":…}, and without it the list is not whole."
)

// A document is what the API says about itself.
type document struct {
	tree any // as JSON is decoded
	yaml []byte
}

// newDocument describes operations.
func newDocument(version string, operations []operation) (*document, error) {
	s := &schemas{named: map[string]object{}, types: map[string]reflect.Type{}}
	s.of(reflect.TypeFor[problem]())
	paths := object{}
	for i := range operations {
		o := &operations[i]
		item, _ := paths[o.address()].(object)
		if item == nil {
			item = object{}
			paths[o.address()] = item
		}
		item[strings.ToLower(o.method())] = s.operation(o)
	}
	tree := object{
		"openapi":    openAPIVersion,
		"info":       object{"title": documentTitle, "version": "v1", "summary": "The API of Gaikei " + version, "description": documentAbout},
		"servers":    []object{{"url": "/"}},
		"paths":      paths,
		"components": object{"schemas": s.named, "responses": problemResponses(), "securitySchemes": securitySchemes(), "headers": headers()},
	}
	body, err := json.Marshal(tree)
	if err != nil {
		return nil, fmt.Errorf("write the document: %w", err)
	}
	d := &document{}
	if err := json.Unmarshal(body, &d.tree); err != nil {
		return nil, fmt.Errorf("write the document: %w", err)
	}
	d.yaml, err = yaml.Marshal(d.tree)
	return d, err
}

// operation describes one.
func (s *schemas) operation(o *operation) object {
	parameters := []object{}
	for _, name := range regexp.MustCompile(`{([a-z]+)}`).FindAllStringSubmatch(o.address(), -1) {
		parameters = append(parameters, object{"name": name[1], "in": "path", "required": true, "description": o.path, "schema": object{"type": "string"}})
	}
	for _, p := range o.takes {
		parameters = append(parameters, p.describe())
	}
	x := object{
		"operationId": idOf(o), "summary": o.about, "parameters": parameters, "responses": s.responses(o), "security": securityOf(o.scope),
	}
	if o.sends != nil {
		x["requestBody"] = object{"required": true, "content": object{typeJSON: object{"schema": s.draft(o.sends), "example": draftExample(o.sends)}}}
	}
	return x
}

// draftExample is an example without the members that the server alone says.
func draftExample(b *sent) any {
	text, err := json.Marshal(b.example)
	members := object{}
	if err == nil {
		err = json.Unmarshal(text, &members)
	}
	if err != nil {
		panic(fmt.Sprintf("web: the example of a %T: %v", b.example, err))
	}
	for _, key := range b.never {
		delete(members, key)
	}
	return members
}

func (p *parameter) describe() object {
	one := p.schema
	if one == nil {
		one = object{"type": "string"}
	}
	x := object{"name": p.name, "in": "query", "description": p.about, "schema": one, "example": p.example}
	if p.needed {
		x["required"] = true
	}
	if p.repeatable {
		x["schema"], x["example"] = object{"type": "array", "items": one}, []any{p.example}
		x["style"], x["explode"] = "form", true
	}
	return x
}

// idOf names an operation for generated clients: getSli, postCorrectionsPreview.
func idOf(o *operation) string {
	var id strings.Builder
	id.WriteString(strings.ToLower(o.method()))
	words := strings.FieldsFunc(strings.TrimPrefix(o.address(), "/api/v1"), func(r rune) bool { return !unicode.IsLetter(r) })
	for _, word := range append(words, map[bool]string{true: "page"}[len(words) == 0]) {
		for i, r := range word {
			if i == 0 {
				r = unicode.ToUpper(r)
			}
			id.WriteRune(r)
		}
	}
	return id.String()
}

// responses describes what is answered: well, and otherwise.
func (s *schemas) responses(o *operation) object {
	if o.plain != nil {
		return plainResponses(o)
	}
	t := reflect.TypeOf(o.gives)
	content := object{typeJSON: object{"schema": s.of(t), "example": o.gives}}
	if t.Implements(listType) {
		content[typeLines] = object{"schema": object{"type": "string", "description": "An item a line; the last line is {\"next\":…}."}}
	}
	well := object{"description": o.about, "content": content}
	x := object{"200": well}
	statuses := []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusInternalServerError}
	if o.method() == http.MethodGet {
		tag := object{"ETag": object{"$ref": "#/components/headers/ETag"}}
		well["headers"] = tag
		x["304"] = object{"description": "It is what If-None-Match names.", "headers": tag}
	} else {
		statuses = append(statuses, http.StatusForbidden)
	}
	if o.path != "" {
		statuses = append(statuses, http.StatusNotFound)
	}
	for _, p := range o.takes {
		if p.name == nextParameter.name {
			statuses = append(statuses, http.StatusGone)
		}
	}
	for _, status := range statuses {
		x[strconv.Itoa(status)] = object{"$ref": "#/components/responses/" + strconv.Itoa(status)}
	}
	return x
}

// plainResponses are those of what is not JSON.
func plainResponses(o *operation) object {
	x := object{"200": object{"description": o.about, "content": object{o.mediaType: object{"schema": object{"type": "string"}}}}}
	if o.address() == "/readyz" {
		x["503"] = object{"description": "Why not."}
	}
	if o.scope != ScopeNone {
		x["401"] = object{"description": "Credentials are needed; WWW-Authenticate says which."}
	}
	if len(o.takes) > 0 {
		x["400"] = object{"description": "The question cannot be understood."}
	}
	if o.path != "" {
		x["404"] = object{"description": "There is no such thing."}
	}
	return x
}

// problemResponses are what is answered when something is wrong.
func problemResponses() object {
	responses := object{}
	for status, about := range map[int]string{
		http.StatusBadRequest:          "The question cannot be understood, or what is wanted cannot be had.",
		http.StatusUnauthorized:        "Credentials are needed; WWW-Authenticate says which.",
		http.StatusForbidden:           "The credentials do not suffice, or the request is a browser's for a page of another origin.",
		http.StatusNotFound:            "There is no such thing.",
		http.StatusGone:                "The list cannot be gone on with; ask for it from its first page on.",
		http.StatusInternalServerError: "It could not be answered.",
	} {
		example := problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: about}
		if status == http.StatusBadRequest {
			example = *unknownParameter("chekc", []parameter{{name: "check"}})
			example.Type = "about:blank"
		}
		responses[strconv.Itoa(status)] = object{"description": about, "content": object{
			typeProblem: object{"schema": object{"$ref": "#/components/schemas/Problem"}, "example": example},
		}}
	}
	return responses
}

func headers() object {
	return object{"ETag": object{
		"description": "A hash of the answer, for If-None-Match. An answer of over a mebibyte has none, and comes as it is made.", "schema": object{"type": "string"},
	}}
}

func securitySchemes() object {
	return object{
		"bearer":      object{"type": "http", "scheme": "bearer", "description": "A token of the file of --tokens; its scope is read, or write, which includes read."},
		"basic":       object{"type": "http", "scheme": "basic", "description": "A user of --web-config; lets read."},
		"certificate": object{"type": "mutualTLS", "description": "A client certificate, where --web-config requires one; lets read, unless there are users too."},
	}
}

// securityOf is what has to be shown. Where none is configured, nothing has to be to read.
func securityOf(scope Scope) []object {
	switch scope {
	case ScopeNone:
		return []object{}
	case ScopeWrite:
		return []object{{"bearer": []string{"write"}}}
	}
	return []object{{"bearer": []string{"read"}}, {"basic": []string{}}, {"certificate": []string{}}, {}}
}

func (s *server) apiDocument(*http.Request, url.Values) (any, error) {
	d, err := s.document()
	if err != nil {
		return nil, err
	}
	return d.tree, nil
}

func (s *server) documentYAML(w http.ResponseWriter, r *http.Request) {
	d, err := s.document()
	if err == nil {
		_, err = values(r)
	}
	if err != nil {
		problemOf(err).write(w)
		return
	}
	reply := &reply{w: w, r: r, mediaType: "application/yaml"}
	reply.end(reply.write(d.yaml))
}

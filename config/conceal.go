package config

import "strings"

// concealment stands where a credential was. It passes as one, so that what is shown still parses.
const concealment = "redacted"

// concealed replaces what looks like a credential in a text that is shown. References are no credentials.
func (e *encoder) concealed(text, key string) string {
	shown := conceal(text, key)
	if shown == text || !e.conceal {
		e.plain = e.plain || shown != text
		return text
	}
	return shown
}

// conceal replaces what looks like a credential in the value of a key.
func conceal(text, key string) string {
	if isCredential(key) && text != "" && !strings.Contains(strings.ReplaceAll(text, escapedOpen, ""), open) {
		return concealment
	}
	if key == "send" && isLogin(text) {
		return concealment
	}
	return concealURL(text)
}

// isLogin reports whether what is sent to a server has a command that passes a credential, other than by reference:
// "PASS …", "AUTH PLAIN …", and with a tag before it as in IMAP "a1 LOGIN …".
func isLogin(text string) bool {
	words := strings.Fields(strings.ToUpper(text))
	for i, word := range words[:min(2, len(words))] {
		switch word {
		case "PASS", "AUTH", "LOGIN", "AUTHENTICATE":
			rest := words[i+1:]
			return len(rest) > 0 && rest[0] != "TLS" && !strings.Contains(strings.ReplaceAll(text, escapedOpen, ""), open)
		}
	}
	return false
}

// isCredential reports whether the value of a key is a credential as a rule.
func isCredential(key string) bool {
	switch key {
	case "password", "bearer", "client_secret":
		return true
	}
	outer, name, ok := strings.Cut(key, ".")
	return ok && (outer == "headers" || outer == "params") && isSensitive(name)
}

// isSensitive reports whether a header or a query parameter of this name carries a credential as a rule.
func isSensitive(name string) bool {
	name = strings.ToLower(name)
	for _, part := range []string{"auth", "cookie", "token", "secret", "password", "passwd", "api-key", "apikey", "api_key", "signature", "ingestion-key", "honeycomb"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

// concealURL replaces user names, passwords and telling parameters in the URLs of a text.
func concealURL(text string) string {
	before, rest, ok := strings.Cut(text, "://")
	if !ok {
		return text
	}
	end := strings.IndexAny(rest, " \t\n\"'<>")
	if end < 0 {
		end = len(rest)
	}
	return before + "://" + concealQuery(concealUser(rest[:end])) + concealURL(rest[end:])
}

// concealUser replaces what stands before the @ of an authority.
func concealUser(url string) string {
	end := strings.IndexAny(url, "/?#")
	if end < 0 {
		end = len(url)
	}
	i := strings.LastIndexByte(url[:end], '@')
	if i < 0 {
		return url
	}
	user, password, both := strings.Cut(url[:i], ":")
	user = concealOne(user)
	if both {
		user += ":" + concealOne(password)
	}
	return user + url[i:]
}

// concealQuery replaces the values of parameters that carry credentials.
func concealQuery(url string) string {
	path, query, ok := strings.Cut(url, "?")
	if !ok {
		return url
	}
	query, fragment, marked := strings.Cut(query, "#")
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		if name, value, ok := strings.Cut(pair, "="); ok && isSensitive(name) {
			pairs[i] = name + "=" + concealOne(value)
		}
	}
	url = path + "?" + strings.Join(pairs, "&")
	if marked {
		url += "#" + fragment
	}
	return url
}

// concealOne replaces a text unless it is one reference and nothing else.
func concealOne(text string) string {
	if text == "" || strings.HasPrefix(text, open) && strings.HasSuffix(text, "}") && strings.Count(text, open) == 1 {
		return text
	}
	return concealment
}

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// secretPrefix begins the name of every environment variable that a configuration may refer to: whoever
// writes the configuration must not be able to read the rest of a prober's environment.
const secretPrefix = "GAIKEI_SECRET_"

// maxSecret bounds a secret's file.
const maxSecret = 64 << 10

// secretsIn returns what resolves the references of a configuration: variables that begin with secretPrefix,
// and files below a folder, if there is one.
func secretsIn(dir string) func(scheme, name string) (string, error) {
	return func(scheme, name string) (string, error) {
		switch scheme {
		case "env":
			return secretVariable(name)
		case "file":
			return secretFile(dir, name)
		}
		return "", fmt.Errorf("secret ${%s:%s}: got scheme %q, want env or file", scheme, name, scheme)
	}
}

func secretVariable(name string) (string, error) {
	if !strings.HasPrefix(name, secretPrefix) {
		return "", fmt.Errorf("secret ${env:%s}: only variables named %s* are given out", name, secretPrefix)
	}
	v, ok := os.LookupEnv(name)
	if !ok {
		return "", fmt.Errorf("secret ${env:%s}: the variable is not set", name)
	}
	return v, nil
}

func secretFile(dir, name string) (string, error) {
	if dir == "" {
		return "", fmt.Errorf("secret ${file:%s}: no folder of secrets was given (--secrets)", name)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", fmt.Errorf("secret ${file:%s}: %w", name, err)
	}
	defer root.Close()
	f, err := root.Open(name)
	if err != nil {
		return "", fmt.Errorf("secret ${file:%s}: %w", name, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("secret ${file:%s}: %w", name, err)
	}
	if len(data) > maxSecret {
		return "", fmt.Errorf("secret ${file:%s}: larger than %d bytes", name, maxSecret)
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}

package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gaikei/gaikei/config"
)

// tokenPrefix begins every token, so that people and scanners for lost secrets know what they have found.
const tokenPrefix = "gaikei_"

func newToken(std streams) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make bearer tokens for the page and the API",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newTokenNew(std))
	return cmd
}

func newTokenNew(std streams) *cobra.Command {
	var name, scope string
	cmd := &cobra.Command{
		Use:   "new --name NAME --scope read|write",
		Short: "Make a token, show it once, and print the entry for the file of --tokens",
		Long: "Makes a token of 256 random bits and prints it once, alone on standard output, so that it can go straight into a\n" +
			"file. The entry for the file that 'gaikei run --tokens' reads goes to standard error. It holds only the token's\n" +
			"SHA-256 hash: who reads that file cannot use the token. Nothing is kept and nothing is changed.",
		Example: "  gaikei token new --name grafana --scope read\n  (umask 077; gaikei token new --name deploy --scope write > deploy.token)",
		Args:    noArguments,
		RunE:    func(*cobra.Command, []string) error { return makeToken(name, scope, std) },
	}
	cmd.Flags().StringVar(&name, "name", "", "`name` of whoever will use it, for the file")
	cmd.Flags().StringVar(&scope, "scope", "", "`scope` it is good for: read, or write, which includes read")
	return cmd
}

func makeToken(name, scope string, std streams) error {
	if name == "" || scope == "" {
		return usage("for example 'gaikei token new --name grafana --scope read'", "a token has a --name and a --scope")
	}
	random := make([]byte, 32)
	// It never fails: Go ends the program if the system has no randomness.
	_, _ = rand.Read(random)
	token := tokenPrefix + base64.RawURLEncoding.EncodeToString(random)
	entry := fmt.Sprintf("  - {name: %q, scope: %q, sha256: %x}\n", name, scope, sha256.Sum256([]byte(token)))
	// What the server would refuse is not printed.
	if _, err := config.ParseTokens("the entry", []byte("tokens:\n"+entry)); err != nil {
		var faults config.Faults
		if errors.As(err, &faults) {
			return usage(faults[0].Hint, "--%s: %s", strings.TrimPrefix(faults[0].Path, "tokens[0]."), faults[0].Message)
		}
		return err
	}
	if _, err := fmt.Fprintln(std.out, token); err != nil {
		return fmt.Errorf("print the token: %w", err)
	}
	fmt.Fprintf(std.err, "# The token is shown once. Add this below tokens: in the file that 'gaikei run --tokens' reads:\n%s", entry)
	return nil
}

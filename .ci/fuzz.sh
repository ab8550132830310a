#!/bin/sh
# Runs every fuzz target of the module for FUZZTIME, one after the other.
set -eu
GO=${GO:-go}
fuzz() { $GO test -run '^$' -fuzz "^$2\$" -fuzztime "${FUZZTIME:-10s}" "$1"; }
for pkg in $($GO list ./...); do
	for target in $($GO test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
		echo "$pkg $target"
		# The fuzzer now and then fails at its end for being at its end. A real failure leaves its input behind
		# and fails again at once.
		fuzz "$pkg" "$target" || fuzz "$pkg" "$target"
	done
done

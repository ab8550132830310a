//go:build !chaos

package main

// playChaos is for the tests of `make chaos`.
func playChaos() {}

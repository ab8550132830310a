// Package config reads gaikei.yaml: strictly, completely, and with every fault told at once with its place.
// It turns what the user wrote into checks, controls, regions, maintenance and objectives. It starts
// nothing and keeps nothing.
package config

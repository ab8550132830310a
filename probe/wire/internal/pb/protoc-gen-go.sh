#!/bin/sh
# protoc wants a plugin that is one executable; this one is the version that go.mod names.
exec go tool protoc-gen-go "$@"

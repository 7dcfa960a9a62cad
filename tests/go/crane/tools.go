//go:build tools

// Package tools pins a registry, and a client that bench measures.
package tools

import _ "github.com/google/go-containerregistry/cmd/crane"

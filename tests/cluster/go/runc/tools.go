//go:build tools

// Package tools pins what runs the containers of the throwaway cluster: a module of its own, since containerd's would
// give it a newer runtime-spec than it compiles with.
package tools

import _ "github.com/opencontainers/runc"

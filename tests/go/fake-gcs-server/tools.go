//go:build tools

// Package tools pins a stand-in for the storage of Google.
package tools

import _ "github.com/fsouza/fake-gcs-server"

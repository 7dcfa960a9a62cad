//go:build tools

// Package tools pins the store of the throwaway cluster.
package tools

import _ "go.etcd.io/etcd/server/v3"

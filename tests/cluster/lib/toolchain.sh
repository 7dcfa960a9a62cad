# shellcheck shell=bash
# Which Go compiles the cluster and the programs of tests/go: the machine's where it is new enough, otherwise that
# of the lock file (group go).

needed_go() { cat "$CLUSTER_DIR"/go/*/go.mod "$REPO_DIR"/tests/go/*/go.mod | awk '$1 == "go" { print $2 }' | sort -V | tail -1; }

is_new_enough() { # go
  local version
  version=$(GOTOOLCHAIN=local "$1" env GOVERSION 2>/dev/null) || return 1
  printf '%s\n' "$(needed_go)" "${version#go}" | sort -V -C
}

find_go() {
  local candidate
  for candidate in "$(command -v go)" /usr/local/go/bin/go "$REPO_DIR/.venv/bin/go"; do
    [[ -x $candidate ]] && is_new_enough "$candidate" && echo "$candidate" && return
  done
  return 1
}

# shellcheck shell=bash
# What every script of the cluster needs: where things lie, what they are called, how to speak.

CLUSTER_DIR=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck disable=SC2034 # read by the scripts that source this file
REPO_DIR=$(cd -- "$CLUSTER_DIR/../.." && pwd)
# shellcheck disable=SC2034
CACHE_DIR=${XDG_CACHE_HOME:-$HOME/.cache}/yadokari
# Root by way of su has no sbin in its path.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() { printf '%s\n' "$*" >&2; }
die() {
  say "error: $*"
  exit 1
}

# Keeps two callers apart; whatever is started in the background must close the descriptor again (9>&-).
hold_lock() { # file
  mkdir -p "$(dirname -- "$1")"
  exec 9>"$1"
  flock --nonblock 9 && return
  say "waiting for another run that holds $1"
  flock 9
}

# Sets what a command prints as KEY=VALUE lines.
take_values_of() { # command...
  local lines key value
  lines=$("$@")
  while IFS='=' read -r key value; do
    printf -v "$key" %s "$value"
  done <<<"$lines"
}

# shellcheck shell=bash
# Which programs the cluster is made of, where they are kept and whether they are there.

# program, module, seconds and package of each part, a line each
parts() { grep -v '^#' "$CLUSTER_DIR/parts"; }

# The folder's name holds everything that decides what is in it.
pins_hash() {
  (cd "$CLUSTER_DIR" && sha256sum parts lib/compile.sh go/*/go.mod go/*/*.go) | sha256sum | cut -c 1-12
}

BIN_DIR=$CACHE_DIR/cluster/$(uname -m)-$(pins_hash)
# shellcheck disable=SC2034 # read by the scripts that source this file
PAUSE_IMAGE=yadokari.test/pause:1
PAUSE_ARCHIVE=$BIN_DIR/pause.tar

missing_parts() {
  parts | while read -r program rest; do
    [[ -x $BIN_DIR/$program ]] || echo "$program $rest"
  done
}

binaries_are_built() { [[ -f $PAUSE_ARCHIVE && -z $(missing_parts) ]]; }

# The version of a module as go.mod pins it, without the leading v.
pinned() { # folder-in-go module
  awk -v module="$2" '{ sub(/^require /, "") } $1 == module && $2 != "=>" { print substr($2, 2); exit }' \
    "$CLUSTER_DIR/go/$1/go.mod"
}

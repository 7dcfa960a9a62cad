# shellcheck shell=bash
# Which programs the cluster is made of, where they are kept and whether they are there.

# program, module, seconds and package of each part, a line each
parts() { grep -v '^#' "$CLUSTER_DIR/parts"; }

# Each lies in a folder of its own, whose name holds everything that decides what it is: a new pin compiles what
# is of that module, and nothing else.
part_path() { # program module package
  local pins
  pins=$(cd "$CLUSTER_DIR" && { echo "$3" && cat lib/compile.sh "go/$2"/*; } | sha256sum | cut -c 1-12)
  echo "$CACHE_DIR/cluster/programs/$1-$(uname -m)-$pins/$1"
}

# All of them, linked into one folder; other versions of the cluster have another.
pins_hash() { (cd "$CLUSTER_DIR" && sha256sum parts lib/compile.sh go/*/*) | sha256sum | cut -c 1-12; }

BIN_DIR=$CACHE_DIR/cluster/$(uname -m)-$(pins_hash)
# shellcheck disable=SC2034 # read by the scripts that source this file
PAUSE_IMAGE=yadokari.test/pause:1
PAUSE_ARCHIVE=$BIN_DIR/pause.tar

missing_parts() {
  local program module seconds package
  parts | while read -r program module seconds package; do
    [[ -x $(part_path "$program" "$module" "$package") ]] || echo "$program $module $seconds $package"
  done
}

binaries_are_built() { [[ -f $PAUSE_ARCHIVE && -z $(missing_parts) ]]; }

# The version of a module as go.mod pins it, without the leading v.
pinned() { # folder-in-go module
  awk -v module="$2" '{ sub(/^require /, "") } $1 == module && $2 != "=>" { print substr($2, 2); exit }' \
    "$CLUSTER_DIR/go/$1/go.mod"
}

# shellcheck shell=bash
# Programs that tests run beside the cluster: one in Go in each folder of tests/go, compiled once, and azurite.

programs() { basename --multiple "$REPO_DIR"/tests/go/*/; }

# The folder's name holds everything that decides what is in it; support/programs.py knows it too.
program_path() { # program
  local pins
  pins=$(cd "$REPO_DIR/tests/go/$1" && cat go.mod go.sum ./*.go | sha256sum | cut -c 1-12)
  echo "$CACHE_DIR/programs/$1-$pins/$1"
}

programs_are_built() {
  local program
  for program in $(programs); do
    [[ -x $(program_path "$program") ]] || return 1
  done
}

build_programs() { # go
  local program path package
  for program in $(programs); do
    path=$(program_path "$program")
    [[ ! -x $path ]] || continue
    say "compiling $program: about 60 s"
    # Of others, which tools.go names, or our own.
    package=$(awk -F '"' '/^import _/ { print $2 }' "$REPO_DIR/tests/go/$program"/*.go)
    rm -rf "$CACHE_DIR/programs/$program"-*
    env -C "$REPO_DIR/tests/go/$program" -u GOFLAGS -u GOOS -u GOARCH \
      GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0 GOCACHE="$CACHE_DIR/programs/go/build" GOMODCACHE="$CACHE_DIR/programs/go/modules" \
      nice "$1" build -trimpath -buildvcs=false -modcacherw -ldflags "-s -w" -o "$path" "${package:-.}" >&2 ||
      die "$program does not compile"
  done
  rm -rf "$CACHE_DIR/programs/go"
}

# What Flux's source-controller has in a cluster: the definitions of its resources, from its Go module.
FLUX_MODULE=github.com/fluxcd/source-controller@v1.8.5
FLUX_SUM=h1:3zKSTGc2FPoZcQ5BjnyOrwdHDWeYqst3uAoZ+c0DG3c=

flux_folder() { echo "$CACHE_DIR/programs/flux-${FLUX_MODULE#*@}"; }

install_flux() { # go
  local folder found part=$CACHE_DIR/programs/go-flux
  folder=$(flux_folder)
  say "fetching $FLUX_MODULE: about 10 s"
  found=$(env -u GOFLAGS GOTOOLCHAIN=local GOWORK=off GONOSUMDB='*' GOMODCACHE="$part" GOFLAGS=-modcacherw \
    "$1" mod download -json "$FLUX_MODULE") || die "$FLUX_MODULE cannot be fetched: $found"
  grep -qF "\"Sum\": \"$FLUX_SUM\"" <<<"$found" || die "$FLUX_MODULE is another one than it was: $found"
  rm -rf "$CACHE_DIR/programs"/flux-*
  cp -r "$part/github.com/fluxcd/source-controller@${FLUX_MODULE#*@}/config/crd/bases" "$folder"
  rm -rf "$part"
}

# Azure's storage, a program in JavaScript: one folder with all that it needs.
azurite_folder() {
  local pins
  pins=$(cd "$REPO_DIR/tests/npm/azurite" && cat package.json package-lock.json | sha256sum | cut -c 1-12)
  echo "$CACHE_DIR/programs/azurite-$pins"
}

install_azurite() { # npm
  local folder part=$CACHE_DIR/programs/npm
  folder=$(azurite_folder)
  say "installing azurite: about 40 s"
  rm -rf "$CACHE_DIR/programs/azurite"-* "$part"
  mkdir -p "$part/azurite"
  cp "$REPO_DIR"/tests/npm/azurite/package*.json "$part/azurite"
  # Nothing of what is installed runs meanwhile.
  PATH=$(dirname -- "$1"):$PATH npm_config_cache=$part/cache \
    "$1" ci --prefix "$part/azurite" --ignore-scripts --no-audit --no-fund --loglevel error >&2 ||
    die "azurite cannot be installed"
  mv "$part/azurite" "$folder"
  rm -rf "$part"
}

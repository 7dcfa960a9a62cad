# shellcheck shell=bash
# How one program is compiled. A change here builds everything anew (see part_path).

linker_flags() { # module
  local kubernetes component=k8s.io/component-base/version
  kubernetes=$(pinned kubernetes k8s.io/kubernetes)
  case $1 in
  kubernetes)
    echo "-X $component.gitVersion=v$kubernetes" \
      "-X $component.gitMajor=$(cut -d . -f 1 <<<"$kubernetes") -X $component.gitMinor=$(cut -d . -f 2 <<<"$kubernetes")"
    ;;
  containerd)
    echo "-X github.com/containerd/containerd/v2/version.Version=$(pinned containerd github.com/containerd/containerd/v2)"
    ;;
  esac
}

# runc alone needs C: its first stage runs before the Go runtime starts, and seccomp is a C library.
compile() { # go program module package output
  local go=$1 program=$2 module=$3 package=$4 output=$5 cgo=0
  [[ $program == runc ]] && cgo=1
  env -C "$CLUSTER_DIR/go/$module" -u GOFLAGS -u GOOS -u GOARCH \
    GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=$cgo GOCACHE="$CACHE_DIR/cluster/go/build" GOMODCACHE="$CACHE_DIR/cluster/go/modules" \
    nice "$go" build -trimpath -buildvcs=false -modcacherw -tags "seccomp,no_btrfs,no_devmapper,no_zfs" \
    -ldflags "-s -w $(linker_flags "$module")" -o "$output" "$package"
}

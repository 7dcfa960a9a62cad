# shellcheck shell=bash
# Everything that up, down and status share.

# shellcheck source=tests/cluster/lib/common.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/cluster/lib/binaries.sh
. "$CLUSTER_DIR/lib/binaries.sh"
# shellcheck source=tests/cluster/lib/places.sh
. "$CLUSTER_DIR/lib/places.sh"
# shellcheck source=tests/cluster/lib/processes.sh
. "$CLUSTER_DIR/lib/processes.sh"
# shellcheck source=tests/cluster/lib/machine.sh
. "$CLUSTER_DIR/lib/machine.sh"

# In the order in which they are started.
# shellcheck disable=SC2034
PARTS=(registry etcd kube-apiserver kube-controller-manager kube-scheduler containerd kubelet kube-proxy)

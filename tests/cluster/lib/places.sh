# shellcheck shell=bash
# shellcheck disable=SC2034 # read by the scripts that source this file
# Addresses and folders of the cluster.

# A bridge of our own gives node, API server and registry one address that host, kubelet and pods all reach,
# however the machine itself is connected.
BRIDGE=yadokari0
NODE_IP=10.98.0.1
POD_RANGE=10.98.0.0/24
SERVICE_RANGE=10.99.0.0/24
API_SERVICE_IP=10.99.0.1
API_SERVER=https://$NODE_IP:6443
REGISTRY=$NODE_IP:5050
NODE=node

# A disk can make etcd and unpacking many times slower, but a container's own /dev/shm is too small (64 MiB).
state_folder() {
  local size
  size=$(df --output=size --block-size=1M /dev/shm 2>/dev/null | tail -1)
  if [[ ${size:-0} -ge 4096 ]]; then echo /dev/shm/yadokari-cluster; else echo /var/lib/yadokari-cluster; fi
}

WORK_DIR=$(state_folder)
RUN_DIR=/run/yadokari-cluster # sockets and process ids: gone after a reboot, as the processes are
CONTAINERD_SOCKET=$RUN_DIR/containerd.sock
KUBECONFIG_FILE=$WORK_DIR/kubeconfig
LOCK_FILE=$CACHE_DIR/cluster/up.lock

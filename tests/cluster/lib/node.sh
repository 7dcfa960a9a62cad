# shellcheck shell=bash
# containerd, kubelet and kube-proxy of the one node.

ctr() { "$BIN_DIR/ctr" --address "$CONTAINERD_SOCKET" --namespace k8s.io "$@"; }

write_containerd_config() {
  local host
  mkdir -p "$WORK_DIR/cni"
  # It stands in for docker.io, too, as it does for executors.
  for host in "$REGISTRY" docker.io; do
    mkdir -p "$WORK_DIR/certs.d/$host"
    cat >"$WORK_DIR/certs.d/$host/hosts.toml" <<TOML
server = "http://$REGISTRY"
[host."http://$REGISTRY"]
  capabilities = ["pull", "resolve"]
TOML
  done
  cat >"$WORK_DIR/cni/10-bridge.conflist" <<JSON
{"cniVersion": "1.0.0", "name": "yadokari", "plugins": [
  {"type": "bridge", "bridge": "$BRIDGE", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$WORK_DIR/addresses",
            "ranges": [[{"subnet": "$POD_RANGE"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}
JSON
  # restrict_oom_score_adj: without CAP_SYS_RESOURCE nobody may lower oom_score_adj.
  # netns_mounts_under_state_dir, Root: what is below the state folder is ours and can be removed with it.
  cat >"$WORK_DIR/containerd.toml" <<TOML
version = 3
root = "$WORK_DIR/containerd"
state = "$RUN_DIR/containerd"
[grpc]
  address = "$CONTAINERD_SOCKET"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "$PAUSE_IMAGE"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "$WORK_DIR/certs.d"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["/usr/lib/cni"]
    conf_dir = "$WORK_DIR/cni"
    use_internal_loopback = true
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "$BIN_DIR/runc"
      Root = "$RUN_DIR/runc"
      SystemdCgroup = false
[plugins."io.containerd.nri.v1.nri"]
  disable = true
TOML
}

start_containerd() {
  write_containerd_config
  start containerd "$BIN_DIR/containerd" --config "$WORK_DIR/containerd.toml"
  wait_until 60 "containerd answers" ctr version
  ctr images import "$PAUSE_ARCHIVE" >/dev/null
}

# systemd-resolved's usual file names an address that only the host itself reaches.
resolver_file() {
  if [[ -f /run/systemd/resolve/resolv.conf ]]; then echo /run/systemd/resolve/resolv.conf; else echo /etc/resolv.conf; fi
}

# Thresholds of disk space are low because the developer's disk may be nearly full without harm: images and
# containers lie in memory.
start_kubelet() {
  cat >"$WORK_DIR/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $NODE_IP
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $WORK_DIR/pki/ca.crt}
authorization: {mode: Webhook}
tlsCertFile: $WORK_DIR/pki/kubelet.crt
tlsPrivateKeyFile: $WORK_DIR/pki/kubelet.key
featureGates: {ImageVolume: true}
cgroupDriver: cgroupfs
containerRuntimeEndpoint: unix://$CONTAINERD_SOCKET
podLogsDir: $WORK_DIR/pod-logs
volumePluginDir: $WORK_DIR/volume-plugins
resolvConf: $(resolver_file)
failSwapOn: false
maxOpenFiles: 20000
maxPods: 200
registryPullQPS: 0
serializeImagePulls: false
imageGCHighThresholdPercent: 100
evictionHard:
  memory.available: 100Mi
  nodefs.available: 1%
  nodefs.inodesFree: 1%
  imagefs.available: 1%
  imagefs.inodesFree: 1%
YAML
  start kubelet "$BIN_DIR/kubelet" --kubeconfig "$WORK_DIR/kubelet.kubeconfig" --config "$WORK_DIR/kubelet.yaml" \
    --hostname-override "$NODE" --node-ip "$NODE_IP" --root-dir "$WORK_DIR/kubelet"
}

# Bridged packages between two pods do not pass the firewall on each machine, so an answer would come back from
# an address that was not asked; with masquerade-all every answer comes back by the node.
start_proxy() {
  start kube-proxy "$BIN_DIR/kube-proxy" --kubeconfig "$WORK_DIR/kube-proxy.kubeconfig" --hostname-override "$NODE" \
    --proxy-mode iptables --cluster-cidr "$POD_RANGE" --masquerade-all --iptables-localhost-nodeports=false \
    --healthz-bind-address 127.0.0.1:10256 --metrics-bind-address 127.0.0.1:10249 --bind-address "$NODE_IP" \
    --conntrack-max-per-core 0 --conntrack-tcp-timeout-established 0 --conntrack-tcp-timeout-close-wait 0
}

node_is_ready() { [[ $(kubectl get node "$NODE" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}') == True ]]; }

# shellcheck shell=bash
# What the cluster changes of the machine itself, and how each change is undone: kernel settings, bridge,
# control groups, firewall rules, mounts.

# The kubelet sets all but the first by itself.
KERNEL_SETTINGS="net.ipv4.ip_forward vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops
  kernel.keys.root_maxkeys kernel.keys.root_maxbytes net.netfilter.nf_conntrack_max"

remember_kernel_settings() {
  local name value
  [[ -f $RUN_DIR/kernel-settings ]] && return
  for name in $KERNEL_SETTINGS; do
    value=$(sysctl --values "$name" 2>/dev/null) && echo "$name=$value"
  done >"$RUN_DIR/kernel-settings"
}

restore_kernel_settings() {
  [[ ! -f $RUN_DIR/kernel-settings ]] || sysctl --quiet --load "$RUN_DIR/kernel-settings" 2>/dev/null || true
}

make_bridge() {
  sysctl --quiet --write net.ipv4.ip_forward=1
  ip link show "$BRIDGE" >/dev/null 2>&1 && return
  # With an address of its own: else it has that of one of its ports, and when a pod's is added or goes, what others
  # know of the bridge is wrong for a minute or two, in which they reach nobody.
  ip link add "$BRIDGE" address 0a:58:0a:62:00:01 type bridge
  ip address add "$NODE_IP/${POD_RANGE#*/}" dev "$BRIDGE"
  ip link set "$BRIDGE" up
}

remove_bridge() { ! ip link show "$BRIDGE" >/dev/null 2>&1 || ip link delete "$BRIDGE"; }

# In a container with control groups of version 2 the top group holds processes, and such a group may not hand
# controllers down. They move to a group of their own, as Docker's own docker-in-docker does it, and stay there.
prepare_control_groups() {
  local top=/sys/fs/cgroup pid
  [[ -f $top/cgroup.type && -s $top/cgroup.procs ]] || return 0
  say "moving this container's processes to the control group /init"
  mkdir -p $top/init
  while read -r pid; do
    echo "$pid" >$top/init/cgroup.procs 2>/dev/null || true # some end meanwhile
  done <$top/cgroup.procs
  sed 's/\S\+/+&/g' $top/cgroup.controllers >$top/cgroup.subtree_control
}

# The top groups of the node's pods, one a hierarchy (a single one with version 2).
pod_groups() {
  find /sys/fs/cgroup -maxdepth 2 -type d -name kubepods 2>/dev/null
}

processes_in_pods() {
  local group
  for group in $(pod_groups); do
    find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null
  done | sort -u
}

remove_control_groups() {
  local group
  for group in $(pod_groups); do
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || return 1
  done
}

# Reads iptables-save, writes what iptables-restore --noflush needs to remove kube-proxy's, the kubelet's and our
# network's chains, and nothing of anybody else's.
firewall_removal() {
  awk -v ours='name: \\"yadokari\\"' '
    function flush_table(  chain) {
      for (chain in chains) print "-F " chain
      for (chain in chains) print "-X " chain
      delete chains
    }
    /^\*/ { print; next }
    /^:(KUBE)-/ { chains[substr($1, 2)]; next }
    /^COMMIT/ { flush_table(); print; next }
    /^-A KUBE-/ { next }
    /^-A CNI-/ { if (index($0, ours)) chains[$2]; next }
    /^-A/ && (/-j KUBE-/ || (/-j CNI-/ && index($0, ours))) { sub(/^-A/, "-D"); print }'
}

remove_firewall_rules() {
  local family
  for family in iptables ip6tables; do
    "$family-save" 2>/dev/null | firewall_removal | "$family-restore" --noflush
  done
}

mounts_below() { # folders
  local folder
  for folder; do
    awk -v folder="$folder/" 'index($5 "/", folder) == 1 { print $5 }' /proc/self/mountinfo
  done | sort --reverse
}

unmount_everything() {
  local mount
  mounts_below "$WORK_DIR" "$RUN_DIR" | while read -r mount; do
    umount --lazy "$mount" 2>/dev/null || true # some go with the one that they are on
  done
  [[ -z $(mounts_below "$WORK_DIR" "$RUN_DIR") ]] || die "cannot unmount: $(mounts_below "$WORK_DIR" "$RUN_DIR")"
}

# Some programs write to fixed places, whatever their configuration says.
remove_files_elsewhere() {
  local tasks=$RUN_DIR/containerd/io.containerd.runtime.v2.task/k8s.io
  grep -rhoE --include bootstrap.json --include address '/run/containerd/s/[0-9a-f]+' "$tasks" 2>/dev/null |
    xargs --no-run-if-empty rm -f || true # grep finds no folder where no container ever ran
  find /var/log/containers -maxdepth 1 -lname "$WORK_DIR/*" -delete 2>/dev/null || true
  rm -f /var/lib/cni/results/yadokari-* /var/lib/kubelet/device-plugins/kubelet.sock
  rmdir --ignore-fail-on-non-empty --parents /run/containerd/s /var/log/containers /var/lib/cni/results \
    /var/lib/kubelet/device-plugins 2>/dev/null || true
}

# shellcheck shell=bash
# etcd, API server, controller manager, scheduler.

kubectl() { "$BIN_DIR/kubectl" --kubeconfig "$KUBECONFIG_FILE" "$@"; }

# Nobody but the API server needs etcd, and a throwaway cluster need not survive a power cut.
start_etcd() {
  start etcd "$BIN_DIR/etcd" --name "$NODE" --data-dir "$WORK_DIR/etcd" --unsafe-no-fsync --logger zap --log-level warn \
    --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
    --listen-peer-urls http://127.0.0.1:2380
}

start_apiserver() {
  local pki=$WORK_DIR/pki
  start kube-apiserver "$BIN_DIR/kube-apiserver" --etcd-servers http://127.0.0.1:2379 \
    --bind-address "$NODE_IP" --advertise-address "$NODE_IP" --secure-port 6443 \
    --service-cluster-ip-range "$SERVICE_RANGE" --allow-privileged --feature-gates ImageVolume=true \
    --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
    --client-ca-file "$pki/ca.crt" --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" \
    --service-account-issuer https://kubernetes.default.svc \
    --service-account-key-file "$pki/service-accounts.pub" --service-account-signing-key-file "$pki/service-accounts.key" \
    --kubelet-certificate-authority "$pki/ca.crt" --kubelet-preferred-address-types InternalIP \
    --kubelet-client-certificate "$pki/apiserver-kubelet-client.crt" --kubelet-client-key "$pki/apiserver-kubelet-client.key"
  wait_until 60 "the API server is ready" kubectl get --raw /readyz
}

# Logs, exec and port forwarding: the API server asks the kubelet in its own name, which needs a role as any other.
allow_apiserver_to_ask_kubelets() {
  kubectl get clusterrolebinding kube-apiserver-to-kubelets >/dev/null 2>&1 ||
    kubectl create clusterrolebinding kube-apiserver-to-kubelets \
      --clusterrole system:kubelet-api-admin --user kube-apiserver-kubelet-client >/dev/null
}

start_controllers() {
  local pki=$WORK_DIR/pki
  start kube-controller-manager "$BIN_DIR/kube-controller-manager" --kubeconfig "$WORK_DIR/kube-controller-manager.kubeconfig" \
    --bind-address 127.0.0.1 --leader-elect=false --use-service-account-credentials \
    --flex-volume-plugin-dir "$WORK_DIR/volume-plugins" \
    --root-ca-file "$pki/ca.crt" --service-account-private-key-file "$pki/service-accounts.key"
  start kube-scheduler "$BIN_DIR/kube-scheduler" --kubeconfig "$WORK_DIR/kube-scheduler.kubeconfig" \
    --bind-address 127.0.0.1 --leader-elect=false
}

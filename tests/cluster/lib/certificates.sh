# shellcheck shell=bash
# The cluster's certificate authority, a certificate for each part, and the kubeconfigs that hold them.

new_key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)

make_authority() {
  openssl req -x509 "${new_key[@]}" -keyout ca.key -out ca.crt -days 365 -subj /CN=yadokari-cluster \
    -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
}

make_certificate() { # file subject [subjectAltName]
  openssl req "${new_key[@]}" -keyout "$1.key" -out "$1.csr" -subj "$2" 2>/dev/null
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -out "$1.crt" 2>/dev/null -extfile - <<EXT
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth, clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = ${3:-DNS:${1}}
EXT
}

# The names decide what a part may do: the API server's built-in roles are bound to them.
make_certificates() {
  (
    cd "$WORK_DIR/pki" || exit
    [[ ! -f complete ]] || exit 0
    make_authority
    make_certificate apiserver /CN=kube-apiserver \
      "IP:127.0.0.1,IP:$NODE_IP,IP:$API_SERVICE_IP,DNS:localhost,DNS:kubernetes.default.svc"
    make_certificate apiserver-kubelet-client /CN=kube-apiserver-kubelet-client
    make_certificate kubelet "/O=system:nodes/CN=system:node:$NODE" "IP:127.0.0.1,IP:$NODE_IP,DNS:$NODE"
    make_certificate kube-controller-manager /CN=system:kube-controller-manager
    make_certificate kube-scheduler /CN=system:kube-scheduler
    make_certificate kube-proxy /CN=system:kube-proxy
    make_certificate admin /O=system:masters/CN=admin
    openssl ecparam -genkey -name prime256v1 -noout -out service-accounts.key
    openssl ec -in service-accounts.key -pubout -out service-accounts.pub 2>/dev/null
    touch complete
  )
}

encoded() { base64 --wrap=0 "$WORK_DIR/pki/$1"; }

write_kubeconfig() { # name file
  (umask 077 && cat >"$2") <<YAML
apiVersion: v1
kind: Config
current-context: yadokari
contexts:
- {name: yadokari, context: {cluster: yadokari, user: $1}}
clusters:
- {name: yadokari, cluster: {server: "$API_SERVER", certificate-authority-data: $(encoded ca.crt)}}
users:
- {name: $1, user: {client-certificate-data: $(encoded "$1.crt"), client-key-data: $(encoded "$1.key")}}
YAML
}

write_kubeconfigs() {
  local name
  for name in kubelet kube-controller-manager kube-scheduler kube-proxy; do
    write_kubeconfig "$name" "$WORK_DIR/$name.kubeconfig"
  done
  write_kubeconfig admin "$KUBECONFIG_FILE"
}

# shellcheck shell=bash
# The registry that host, node and pods reach under one name.

start_registry() {
  cat >"$WORK_DIR/registry.yaml" <<YAML
version: 0.1
log: {level: warn, accesslog: {disabled: true}}
http: {addr: "$REGISTRY"}
storage:
  filesystem: {rootdirectory: $WORK_DIR/registry}
  delete: {enabled: true}
  cache: {blobdescriptor: inmemory}
YAML
  start registry docker-registry serve "$WORK_DIR/registry.yaml"
  wait_until 60 "the registry answers" registry_answers
}

registry_answers() { (exec 3<>"/dev/tcp/${REGISTRY%:*}/${REGISTRY#*:}"); }

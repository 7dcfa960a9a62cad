"""A webhook that does to pods what Kueue's does: those with a queue's name wait until somebody lets them go.

Kueue's integration of plain pods (https://kueue.sigs.k8s.io/docs/tasks/run/plain_pods): its webhook marks the
pod, gives it a scheduling gate and a finalizer; its controller takes the gate away when there is room, and to
make room for others it deletes the pod, which goes when the finalizer is gone.
"""

import base64
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from support.operator_process import Kubectl
from support.registry import Certificate
from support.tokens import serving

GATE = "kueue.x-k8s.io/admission"
MANAGED = "kueue.x-k8s.io/managed"
QUEUE = "kueue.x-k8s.io/queue-name"
PREEMPTED = "Preempted to accommodate a workload"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = review["request"]
        labels = request["object"]["metadata"]["labels"]
        patch = [
            {"op": "add", "path": "/metadata/labels", "value": labels | {MANAGED: "true"}},
            {"op": "add", "path": "/metadata/finalizers", "value": [MANAGED]},
            {"op": "add", "path": "/spec/schedulingGates", "value": [{"name": GATE}]},
        ]
        encoded = base64.b64encode(json.dumps(patch).encode()).decode()
        answer = {"uid": request["uid"], "allowed": True, "patchType": "JSONPatch", "patch": encoded}
        body = json.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": answer})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def queueing(kubectl: Kubectl, certificate: Certificate) -> Iterator[None]:
    """Have the API server ask the webhook for the pods of a namespace, as it does Kueue's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    name = f"queueing-{kubectl.namespace}"
    with serving(_Handler, context) as port:
        kubectl("apply", "-f", "-", stdin=_configuration(name, kubectl.namespace, port, certificate))
        try:
            yield
        finally:
            kubectl("delete", "mutatingwebhookconfiguration", name)


def _configuration(name: str, namespace: str, port: int, certificate: Certificate) -> dict[str, Any]:
    authority = base64.b64encode(certificate.authority.read_bytes()).decode()
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": "mpod.kb.io",
                "clientConfig": {"url": f"https://127.0.0.1:{port}/mutate--v1-pod", "caBundle": authority},
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "objectSelector": {"matchExpressions": [{"key": QUEUE, "operator": "Exists"}]},
                "rules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["pods"],
                    }
                ],
            }
        ],
    }


def let_go(kubectl: Kubectl, pod: str) -> None:
    """Let a pod be scheduled."""
    kubectl("patch", "pod", pod, "--type=json", "-p", '[{"op": "remove", "path": "/spec/schedulingGates"}]')


def send_away(kubectl: Kubectl, pod: str) -> None:
    """Delete a pod, to make room for others, having said so."""
    said = {"type": "TerminationTarget", "status": "True", "reason": "WorkloadEvicted", "message": PREEMPTED}
    kubectl("patch", "pod", pod, "--subresource=status", "-p", json.dumps({"status": {"conditions": [said]}}))
    kubectl("delete", "pod", pod, "--wait=false")
    forget(kubectl, pod)


def forget(kubectl: Kubectl, pod: str) -> None:
    """Let a pod be deleted, as when it has ended."""
    kubectl("patch", "pod", pod, "--type=json", "-p", '[{"op": "remove", "path": "/metadata/finalizers"}]')

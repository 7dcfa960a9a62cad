"""What kubectl 1.34 complains of, and what the plugin makes of that."""

import pytest

from kubectl_imagebuild.kubectl import failure

_UNASKED = 'error: error validating "STDIN": error validating data: failed to download openapi: '
_UNVALIDATED = "; if you choose to ignore these errors, turn validation off with --validate=false"

_NO_KUBECONFIG = "no kubeconfig names a cluster: set KUBECONFIG, or name a file by --kubeconfig"


@pytest.mark.parametrize(
    ("complaint", "told"),
    [
        (
            "The connection to the server localhost:8080 was refused - did you specify the right host or port?",
            "The connection to the server localhost:8080 was refused - did you specify the right host or port?:"
            f" {_NO_KUBECONFIG}",
        ),
        (
            f'{_UNASKED}Get "http://localhost:8080/openapi/v2?timeout=32s": dial tcp 127.0.0.1:8080: connect:'
            f" connection refused{_UNVALIDATED}",
            'Get "http://localhost:8080/openapi/v2?timeout=32s": dial tcp 127.0.0.1:8080: connect: connection'
            f" refused: {_NO_KUBECONFIG}",
        ),
        (
            "The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?",
            "The connection to the server 10.0.0.1:6443 was refused - did you specify the right host or port?",
        ),
        (
            f'{_UNASKED}Get "https://10.0.0.1:6443/openapi/v2?timeout=32s": dial tcp 10.0.0.1:6443: connect:'
            f" connection refused{_UNVALIDATED}",
            'Get "https://10.0.0.1:6443/openapi/v2?timeout=32s": dial tcp 10.0.0.1:6443: connect: connection'
            " refused",
        ),
        (
            "error: You must be logged in to the server (Unauthorized)",
            "You must be logged in to the server (Unauthorized): log in anew, or name another --kubeconfig or"
            " --context",
        ),
        (
            f"{_UNASKED}the server has asked for the client to provide credentials{_UNVALIDATED}",
            "the server has asked for the client to provide credentials: log in anew, or name another"
            " --kubeconfig or --context",
        ),
        (
            "error: context was not found for specified context: prod",
            "context was not found for specified context: prod: 'kubectl config get-contexts' tells those that"
            " are there",
        ),
        (
            'error: resource mapping not found for name: "app" namespace: "" from "STDIN": no matches for kind'
            ' "ImageBuild" in version "yadokari.dev/v1alpha1"\nensure CRDs are installed first\n',
            'resource mapping not found for name: "app" namespace: "" from "STDIN": no matches for kind'
            ' "ImageBuild" in version "yadokari.dev/v1alpha1": is Yadokari installed in this cluster, and is'
            " --context the right one?",
        ),
        (
            'Error from server (NotFound): error when creating "STDIN": namespaces "team" not found',
            "namespaces \"team\" not found: 'kubectl get namespaces' tells those that are there",
        ),
        (
            'Error from server (NotFound): imagebuilds.yadokari.dev "app" not found',
            "imagebuilds.yadokari.dev \"app\" not found: 'kubectl imagebuild list' tells those that are there",
        ),
    ],
)
def test_a_complaint_of_kubectl_is_told_with_what_to_do(complaint: str, told: str) -> None:
    assert str(failure(complaint)) == told

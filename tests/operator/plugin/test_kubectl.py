"""What kubectl 1.34 complains of, and what the plugin makes of that."""

import pytest

from kubectl_imagebuild.kubectl import failure

_REFUSED = "was refused - did you specify the right host or port?"
_UNASKED = 'error: error validating "STDIN": error validating data: failed to download openapi: '
_PROPOSED = "; if you choose to ignore these errors, turn validation off with --validate=false"
_NO_KIND = 'no matches for kind "ImageBuild" in version "yadokari.dev/v1alpha1"'


@pytest.mark.parametrize(
    ("complaint", "told"),
    [
        (f"The connection to the server 10.0.0.1:6443 {_REFUSED}", "The connection to the server 10.0.0.1"),
        (f"{_UNASKED}dial tcp 10.0.0.1:6443: connect: connection refused{_PROPOSED}", "dial tcp 10.0.0.1"),
        ('Error from server (NotFound): error when creating "STDIN": namespaces "a"', 'namespaces "a"'),
        (f"error: {_NO_KIND}\nensure CRDs are installed first\n", _NO_KIND),
    ],
)
def test_what_kubectl_says_is_told_without_what_is_of_no_use(complaint: str, told: str) -> None:
    assert str(failure(complaint)).startswith(told)
    assert "--validate" not in str(failure(complaint))


@pytest.mark.parametrize(
    ("complaint", "advice"),
    [
        (f"The connection to the server localhost:8080 {_REFUSED}", "set KUBECONFIG, or name a file by"),
        (f'{_UNASKED}Get "http://localhost:8080/openapi/v2": dial tcp{_PROPOSED}', "set KUBECONFIG, or name"),
        ("error: You must be logged in to the server (Unauthorized)", "log in anew"),
        (f"{_UNASKED}the server has asked for the client to provide credentials{_PROPOSED}", "log in anew"),
        ("error: context was not found for specified context: prod", "'kubectl config get-contexts'"),
        (f"error: {_NO_KIND}\nensure CRDs are installed first\n", "is Yadokari installed in this cluster"),
        ('Error from server (NotFound): namespaces "team" not found', "'kubectl get namespaces'"),
        (
            'Error from server (NotFound): imagebuilds.yadokari.dev "app" not found',
            "'kubectl imagebuild list",
        ),
    ],
)
def test_what_to_do_is_said_where_that_is_known(complaint: str, advice: str) -> None:
    assert f": {advice}" in str(failure(complaint))

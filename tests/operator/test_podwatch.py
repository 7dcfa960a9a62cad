import pytest

from support.apiserver import ApiServer, serve
from yadokari_api.keys import Key
from yadokari_operator.cluster.api import ClusterError
from yadokari_operator.cluster.metadata import Metadata
from yadokari_operator.handlers.podwatch import told
from yadokari_operator.handlers.watch import Watch, list_all
from yadokari_operator.pods.observed import build_of

LABELS = {"yadokari.dev/imagebuild": "app"}


def test_the_owner_of_a_pod_tells_its_image_build() -> None:
    owners = [{"kind": "Other", "name": "other"}, {"kind": "ImageBuild", "name": "a" * 100}]
    pod = {"namespace": "team", "labels": LABELS, "ownerReferences": owners}
    assert build_of(pod) == Key("team", "a" * 100)


def test_the_label_of_a_pod_tells_its_image_build_where_the_owner_is_gone() -> None:
    assert build_of({"namespace": "team", "labels": LABELS}) == Key("team", "app")


@pytest.mark.parametrize(
    ("status", "words"),
    [(404, "apply manifests/crd"), (403, "cannot be watched: no"), (500, "cannot be watched")],
)
def test_the_health_says_why_image_builds_are_not_watched(status: int, words: str) -> None:
    server = ApiServer(refuse=lambda _: (status, "no"))
    with serve(server) as api:
        metadata = Metadata(api, "/apis/yadokari.dev/v1alpha1/imagebuilds")
        watch = Watch("ImageBuilds", metadata, lambda: list_all(metadata, print), print, stop_after_one)
        assert told(watch) == "watched"
        with pytest.raises(StopError):
            watch.run()
        assert isinstance(watch.error, ClusterError)
        assert words in told(watch)


class StopError(Exception):
    """Ends a watch, which would go on for ever."""


def stop_after_one(_: float) -> None:
    raise StopError

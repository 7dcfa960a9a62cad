"""Steps that reach for what is no step's: finished stages, images that are copied from, the context."""

from pathlib import Path

import pytest

from support.building import Built, build
from support.layout import Layout
from support.pod import Bind, run_pod, why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]

MARK = "defaced by a step"
SEARCH = "for f in $(find / -name mine -not -path '/proc/*' 2>/dev/null)"
CHANGES = {
    "written to": f"{SEARCH}; do echo {MARK} > $f; done",
    "added to": f"{SEARCH}; do echo {MARK} > $(dirname $f)/added; done",
    "deleted from": f"{SEARCH}; do rm $f; done",
    "moved away": f"{SEARCH}; do mv $(dirname $f) $(dirname $f)-; mkdir $(dirname $f); done",
    "given away": f"{SEARCH}; do chown 1:1 $f; touch -d @1 $f; done",
}


def require_defended(built: Built, kind: str, what: str) -> None:
    if kind == "namespaces":
        assert built.result.exit_code == 0, built.output
        layers = b"".join(built.image.layers())
        assert b"of the stage" in layers, built.output
        assert MARK.encode() not in layers
    else:
        assert built.result.exit_code == 14, built.output
        assert f" of {what} is not what it was: a step has changed it" in built.output


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("last", ["busybox\nCOPY --from=one /d /d", "one"], ids=["copied", "built on"])
def test_a_finished_stage_is_taken_as_it_was_or_not_at_all(
    tmp_path: Path, kind: str, change: str, last: str
) -> None:
    built = build(
        tmp_path,
        "FROM busybox AS one\nRUN mkdir /d && echo of the stage > /d/mine\n"
        # What takes something of a stage comes after it, whichever is built in the base's own container.
        f"FROM busybox AS between\nCOPY --from=one /d/mine /order\nRUN {CHANGES[change]}; echo > /done\n"
        f"FROM {last}\nCOPY --from=between /done /\n",
        kind=kind,
    )
    require_defended(built, kind, "stage 0")


@pytest.mark.writable
def test_an_image_that_files_were_copied_from_is_not_trusted_after_a_step(tmp_path: Path, kind: str) -> None:
    built = build(
        tmp_path,
        "FROM busybox\nCOPY --from=debian:bookworm /etc/os-release /before\n"
        "RUN echo of the stage > /stage; for f in $(find / -xdev -path '*/etc/debian_version');"
        f" do echo {MARK} > $f; done\n"
        "COPY --from=debian:bookworm /etc/debian_version /after\n",
        kind=kind,
    )
    require_defended(built, kind, "debian:bookworm")


def test_a_context_that_a_step_can_write_is_taken_as_it_was_or_not_at_all(tmp_path: Path, kind: str) -> None:
    context, out = tmp_path / "context", tmp_path / "out"
    context.mkdir()
    (context / "mine").write_text("of the stage")
    (context / "Dockerfile").write_text(
        f"FROM busybox\nRUN {CHANGES['written to']}; echo > /done\nCOPY mine /mine\n"
    )
    result = run_pod(
        [f"--context={context}", "--no-push", f"--oci-layout-path={out}/image"],
        binds=[Bind(str(context), writable=True), Bind(str(out), writable=True)],
        kind=kind,
    )
    require_defended(Built(result, Layout(out / "image")), kind, "the build context")

"""A Dockerfile, built in a pod, and what came of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.layout import Layout
from support.pod import Bind, PodResult, run_pod


@dataclass(frozen=True, slots=True)
class Built:
    """What the pod said, and the image, if there is one."""

    result: PodResult
    image: Layout

    @property
    def output(self) -> str:
        """The log."""
        return self.result.output


def build(
    folder: Path, dockerfile: str, *arguments: str, binds: tuple[Bind, ...] = (), **options: Any
) -> Built:
    """Build `dockerfile` in a pod, with `folder`/context for its context; tells whatever comes of it."""
    context, out = folder / "context", folder / "out"
    for made in (context, out):
        made.mkdir(exist_ok=True, parents=True)
    (context / "Dockerfile").write_text(dockerfile)
    result = run_pod(
        [f"--context=dir://{context}", "--no-push", f"--oci-layout-path={out}/image", *arguments],
        binds=[Bind(str(context)), Bind(str(out), writable=True), *binds],
        **options,
    )
    return Built(result, Layout(out / "image"))

"""A hostile Dockerfile, built in a pod whose executor holds credentials."""

from pathlib import Path
from typing import Any

from support.pod import Bind, PodResult, run_pod

PASSWORD = "b3BlcmF0b3I6aHVudGVyMg=="
"""As base64, the way it stands in the file."""
CREDENTIALS = f'{{"auths":{{"127.0.0.1:1":{{"auth":"{PASSWORD}"}}}}}}'


def attack(folder: Path, dockerfile: str, *arguments: str, **options: Any) -> PodResult:
    """Build `dockerfile`, with `folder` for its context; without arguments nothing is pushed."""
    (folder / "Dockerfile").write_text(dockerfile)
    return run_pod(
        [f"--context=dir://{folder}", *(arguments or ["--no-push"])],
        binds=[Bind(str(folder)), *options.pop("binds", ())],
        env={"DOCKER_AUTH_CONFIG": CREDENTIALS, **options.pop("env", {})},
        **options,
    )

"""A hostile Dockerfile, built in a pod whose executor holds credentials."""

from pathlib import Path
from typing import Any

from support.pod import Bind, PodResult, run_pod

PASSWORD = "b3BlcmF0b3I6aHVudGVyMg=="
"""As base64, the way it stands in the file."""
CREDENTIALS = f'{{"auths":{{"127.0.0.1:1":{{"auth":"{PASSWORD}"}}}}}}'

CAN_BE_WRITTEN = "steps can write the executor's own files: mount them read-only (docs/executor.md)\n"
"""What the executor says first where they can."""
_ATTEMPTS = (
    *("touch /yadokari/new", "echo x >> /yadokari/executor", "rm -rf /yadokari/bin", "mv /yadokari /moved"),
    *("mount -o remount,rw /yadokari", "umount /yadokari", "umount -l /yadokari", "chmod 777 /yadokari/lib"),
    *("mount -t tmpfs none /yadokari", "ln -sfn /tmp /yadokari/lib", "mknod /yadokari/null c 1 3"),
)
WRITES_THE_RUNTIME = "FROM busybox\n" + "".join(f"RUN {it} && echo DONE: {it}; true\n" for it in _ATTEMPTS)
"""A Dockerfile that tries to change the executor's own files, to move them and to uncover others."""


def has_kept_the_runtime(log: str) -> bool:
    """Whether a build of `WRITES_THE_RUNTIME` has done all its steps, and none of what they tried."""
    steps_done = all(attempt in log for attempt in _ATTEMPTS)
    return steps_done and "DONE:" not in log.replace("echo DONE:", "") and CAN_BE_WRITTEN not in log


def attack(folder: Path, dockerfile: str, *arguments: str, **options: Any) -> PodResult:
    """Build `dockerfile`, with `folder` for its context; without arguments nothing is pushed."""
    (folder / "Dockerfile").write_text(dockerfile)
    return run_pod(
        [f"--context=dir://{folder}", *(arguments or ["--no-push"])],
        binds=[Bind(str(folder)), *options.pop("binds", ())],
        env={"DOCKER_AUTH_CONFIG": CREDENTIALS, **options.pop("env", {})},
        **options,
    )

"""A pod without a cluster: the executor image in a container as Kubernetes would run it.

result = run_pod(["--context", f"dir://{tmp_path}", "--no-push"], binds=[Bind(str(tmp_path))])
assert result.exit_code == 0, result.output
"""

from support.pod.api import PodResult, run_pod
from support.pod.bundle import Bind
from support.pod.machine import why_no_containers

__all__ = ["Bind", "PodResult", "run_pod", "why_no_containers"]

import hashlib
import subprocess
import tarfile
from pathlib import Path

import yaml

from support.plugin import Plugin

ROOT = Path(__file__).parents[3]


def test_krew_gets_one_program_that_any_python_runs(tmp_path: Path) -> None:
    address = "https://example.com/kubectl-imagebuild.tar.gz"
    made, again = tmp_path / "made", tmp_path / "again"
    for folder in (made, again):
        script = ROOT / "manifests/krew/archive"
        subprocess.run([script, folder, "https://example.com", address], check=True)
    archive = (made / "kubectl-imagebuild.tar.gz").read_bytes()
    assert archive == (again / "kubectl-imagebuild.tar.gz").read_bytes()
    (platform,) = yaml.safe_load((made / "imagebuild.yaml").read_text())["spec"]["platforms"]
    assert (platform["uri"], platform["sha256"]) == (address, hashlib.sha256(archive).hexdigest())
    with tarfile.open(made / "kubectl-imagebuild.tar.gz") as opened:
        assert {file["from"] for file in platform["files"]} == set(opened.getnames())
        opened.extractall(tmp_path / "bin", filter="data")
    # In a mode that sees neither the project nor what is installed beside it.
    program = ["/usr/bin/python3", "-I", "-S", str(tmp_path / "bin/kubectl-imagebuild")]
    said = subprocess.run([*program, "explain", "StepFailed"], capture_output=True, text=True, check=True)
    assert said.stdout == Plugin("nothing")("explain", "StepFailed").out
    asked = ["create", "app", str(tmp_path), "--file", "-", "-d", "x/y:1"]
    folder_too = subprocess.run(
        [*program, *asked], input="FROM x", capture_output=True, text=True, check=False
    )
    assert folder_too.returncode == 1
    assert "uv tool install FOLDER" in folder_too.stderr

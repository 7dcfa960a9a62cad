"""The executor's command, in a process and a root of its own."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from support import archives
from support.buckets import google
from support.executor import Executor
from yadokari_contract.reasons import Reason


def result(folder: Path) -> dict[str, Any]:
    written: dict[str, Any] = json.loads((folder / "result").read_text())
    return written


def test_a_build_ends_with_zero_a_result_and_a_log(executor: Executor) -> None:
    done = executor(
        "FROM scratch\nCOPY Dockerfile /\n", "--no-push", "--result-file=result", "--digest-file=digest"
    )
    assert done.code == 0, done.log
    assert "STEP 2/2 COPY Dockerfile /\n" in done.log
    assert done.out == ""
    written = result(executor.folder)
    assert written["digest"] == (executor.folder / "digest").read_text()
    assert (written["steps"], written["total_steps"], written["failure"]) == (2, 2, None)
    assert (executor.root / "Dockerfile").exists()


def test_a_context_from_standard_input_is_built_and_its_digest_told(executor: Executor) -> None:
    context = archives.archive(
        archives.file("Dockerfile", b"FROM scratch\nCOPY file /\n"), archives.file("file", b"F")
    ).getvalue()
    (executor.root / "left").mkdir(parents=True)
    given = ("--context=tar://stdin", "--no-push", "--result-file=result")
    done = executor("FROM nothing", *given, stdin=context)
    assert done.code == 0, done.log
    assert result(executor.folder)["context"] == f"sha256:{hashlib.sha256(context).hexdigest()}"
    assert (executor.root / "file").read_text() == "F"
    assert not (executor.root / "left").exists()


@pytest.mark.parametrize("dockerfile", ["FORM scratch\n", "FROM scratch\nCOPY nothing /\n"])
def test_the_context_of_a_build_that_failed_is_told(executor: Executor, dockerfile: str) -> None:
    context = archives.archive(archives.file("Dockerfile", dockerfile.encode())).getvalue()
    done = executor("", "--context=tar://stdin", "--no-push", "--result-file=result", stdin=context)
    assert done.code in (10, 14)
    assert result(executor.folder)["context"] == f"sha256:{hashlib.sha256(context).hexdigest()}"


def test_a_bucket_without_a_scheme_is_google_s_and_stands_for_the_context(executor: Executor) -> None:
    context = archives.archive(archives.file("Dockerfile", b"FROM scratch\nCOPY Dockerfile /\n")).getvalue()
    with google({"deep/context.tar": context}) as address:
        given = ("--context=/workspace", "--bucket=bucket/deep/context.tar", "--no-push")
        done = executor("", *given, STORAGE_EMULATOR_HOST=address)
    assert done.code == 0, done.log
    assert (executor.root / "Dockerfile").exists()
    done = executor("FROM scratch\n", "--bucket=bucket", "--no-push")
    assert (done.code, "--bucket and --context name two contexts" in done.log) == (2, True)


def test_a_dry_run_leaves_nothing_of_a_context_that_it_unpacked(executor: Executor, tmp_path: Path) -> None:
    context = archives.archive(archives.file("Dockerfile", b"FROM scratch\nCOPY file /\n")).getvalue()
    (scratch := tmp_path / "scratch").mkdir()
    done = executor("", "--context=tar://stdin", "--dryrun", "--no-push", stdin=context, TMPDIR=str(scratch))
    assert "COPY file /" in done.out
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("dockerfile", "arguments", "reason", "message"),
    [
        (
            "FORM scratch\n",
            ["--no-push"],
            Reason.DOCKERFILE_INVALID,
            "Dockerfile:1: unknown instruction: FORM",
        ),
        ("FROM scratch\nCOPY missing /\n", ["--no-push"], Reason.CONTEXT_INVALID, '"/missing": not found'),
        ("FROM scratch\nCMD x\n", [], Reason.INVALID_ARGUMENTS, "name one, or give --no-push"),
        ("FROM scratch\nRUN x\n", ["--no-push"], Reason.RUN_FAILED, "Dockerfile:2:"),
        (
            "FROM scratch\nCOPY Dockerfile /out\n",
            ["--no-push", "--tar-path=root/out/tar"],
            Reason.INTERNAL_ERROR,
            "--tar-path ",
        ),
    ],
)
def test_what_fails_has_its_exit_code_and_is_told_in_the_log_and_in_the_result(
    executor: Executor, dockerfile: str, arguments: list[str], reason: Reason, message: str
) -> None:
    done = executor(dockerfile, "--result-file=result", *arguments)
    assert done.code == reason.exit_code, done.log
    assert "error: " in done.log
    assert message in done.log
    failure = result(executor.folder)["failure"]
    assert failure["reason"] == reason
    assert message in failure["message"]


def test_a_push_that_fails_is_told_with_all_steps_done(executor: Executor) -> None:
    executor(
        "FROM scratch\nCOPY Dockerfile /out\n", "--no-push", "--tar-path=root/out/tar", "--result-file=result"
    )
    written = result(executor.folder)
    assert (written["steps"], written["total_steps"]) == (2, 2)
    assert (written["cached"], written["performed"]) == (0, 1)
    assert [phase["name"] for phase in written["phases"]] == ["plan", "build", "write"]


def test_a_build_that_fails_tells_what_the_cache_missed(executor: Executor) -> None:
    cache = (f"--cache-repo=oci:{executor.folder}/cache", "--cache", "--cache-copy-layers")
    done = executor("FROM scratch\nCOPY Dockerfile /\nRUN x\n", "--no-push", "--result-file=result", *cache)
    assert done.code == Reason.RUN_FAILED.exit_code, done.log
    written = result(executor.folder)
    steps = ("COPY Dockerfile /", "RUN x")
    assert (written["performed"], written["missed"]) == (1, 2), "the second one is not done"
    assert written["misses"] == [f"{step}: nothing of it is in the cache" for step in steps]


@pytest.mark.parametrize(
    ("argument", "message"),
    [("--nothing", "--nothing is not a flag"), ("--compression=lzma", "--compression")],
)
def test_arguments_that_cannot_be_are_told_and_nothing_is_touched(
    executor: Executor, argument: str, message: str
) -> None:
    executor.root.mkdir()
    (executor.root / "old").touch()
    done = executor("FROM scratch\nCMD x\n", argument)
    assert done.code == 2
    assert message in done.log
    assert [path.name for path in executor.root.iterdir()] == ["old"]


def test_what_changes_nothing_is_told_for_flags_and_variables(executor: Executor) -> None:
    done = executor("FROM scratch\nCMD x\n", "--use-new-run", KANIKO_NO_PUSH="1", FF_KANIKO_COPY_AS_ROOT="0")
    assert done.code == 0, done.log
    assert done.log.startswith("--use-new-run changes nothing: ")
    assert "\nFF_KANIKO_COPY_AS_ROOT changes nothing: " in done.log


def test_help_is_asked_for_by_either_flag(executor: Executor) -> None:
    for flag in ("--help", "-h"):
        done = executor("FROM scratch\nCMD x\n", flag, "--nothing")
        assert done.code == 0
        assert "--destination" in done.out
        assert done.log == ""


def test_a_root_that_is_no_containers_is_refused(executor: Executor) -> None:
    executor.root.mkdir()
    (executor.root / "old").touch()
    done = executor("FROM scratch\nCMD x\n", "--no-push", force=False)
    assert done.code == 2
    assert "--force" in done.log
    assert (executor.root / "old").exists()


def test_a_dry_run_shows_the_plan_and_touches_nothing(executor: Executor) -> None:
    executor.root.mkdir()
    done = executor("FROM scratch\nCOPY a b\n", "--dryrun", force=False)
    assert done.code == 0
    assert "2  COPY a b" in done.out
    assert not list(executor.root.iterdir())
    done = executor("FROM scratch\nFORM\n", "--dryrun", force=False)
    assert done.code == Reason.DOCKERFILE_INVALID.exit_code


def test_the_log_can_be_json(executor: Executor) -> None:
    done = executor("FROM scratch\nCOPY missing /\n", "--no-push", "--log-format=json")
    records = [json.loads(line) for line in done.log.splitlines()]
    assert records[-1]["level"] == "error"
    assert '"/missing": not found' in records[-1]["msg"]


def test_a_result_that_cannot_be_written_is_told_and_changes_nothing_else(executor: Executor) -> None:
    done = executor("FROM scratch\nCMD x\n", "--no-push", "--result-file=context/no/where")
    assert done.code == 0
    assert "error: the result cannot be written to " in done.log


def test_outputs_are_meant_from_where_the_executor_was_started(executor: Executor) -> None:
    done = executor(
        "FROM scratch\nCMD x\n", "--no-push", "--oci-layout-path=out/layout", "--tar-path=out/tar"
    )
    assert done.code == 0
    assert (executor.folder / "out/layout/index.json").exists()
    assert (executor.folder / "out/tar").exists()

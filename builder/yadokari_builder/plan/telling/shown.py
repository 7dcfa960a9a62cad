"""What steps do, as a dry run shows it: values for JSON, lines for people. No secret is in either."""

from collections.abc import Iterator
from typing import Any

from yadokari_builder.dockerfile.ignore import Pattern
from yadokari_builder.dockerfile.instructions import Add, Copy
from yadokari_builder.dockerfile.urls import without_credentials
from yadokari_builder.plan.steps import (
    BindRequest,
    CacheRequest,
    ContextSource,
    Copied,
    CopyAction,
    EmptySource,
    GitFiles,
    ImageSource,
    InlineFile,
    LocalFiles,
    LocalPaths,
    MountRequest,
    RunAction,
    SecretRequest,
    Source,
    SshRequest,
    StageSource,
    Step,
    TmpfsRequest,
    WebFile,
    WorkdirAction,
)


def as_value(step: Step) -> dict[str, Any] | None:
    """Return a step's action as JSON has it, None without one; what was not asked for is left out."""
    match step.action:
        case CopyAction() as copy:
            return _present(
                copy=[_copied(each) for each in copy.copied],
                source=_source(copy.source),
                to=copy.destination,
                owner=copy.owner,
                mode=step.instruction.chmod if isinstance(step.instruction, Copy | Add) else "",
                exclude=[_pattern(each) for each in copy.exclude.patterns] if copy.exclude else [],
                link=copy.is_linked,
            )
        case RunAction() as run:
            return _present(
                run=list(run.argv),
                user=run.user,
                working_dir=run.working_dir,
                network=run.network,
                mounts=[_mount(each) for each in run.mounts],
                script=run.script.path if run.script else "",
            )
        case WorkdirAction() as workdir:
            return _present(make_directory=workdir.path, user=workdir.user)
        case None:
            return None


def as_lines(step: Step) -> Iterator[str]:
    """Yield what an instruction does not say itself: what is copied where, what is mounted."""
    match step.action:
        case CopyAction(copied=copied, source=source, destination=destination):
            for each in copied:
                is_local = isinstance(each, LocalFiles | LocalPaths)
                whence = f" of {_source(source)}" if is_local else ""
                yield f"{_line(_copied(each))}{whence} -> {destination}"
        case RunAction(mounts=mounts):
            for mount in mounts:
                yield f"mount {_line(_mount(mount))}"


def _copied(copied: Copied) -> dict[str, Any]:
    match copied:
        case LocalFiles(path, unpack):
            return _present(files=path, unpack=unpack)
        case LocalPaths(top, pattern):
            return _present(paths="".join(map(_pattern, pattern.patterns)), below=top)
        case WebFile(url, checksum, unpack):
            shown = str(checksum) if checksum else ""
            return _present(url=without_credentials(url), checksum=shown, unpack=unpack)
        case GitFiles(ref, keeps_git_dir):
            return _present(
                git=without_credentials(ref.remote),
                ref=ref.ref,
                subdirectory=ref.subdir,
                checksum=ref.checksum,
                keep_git_dir=keeps_git_dir,
            )
        case InlineFile(name):
            return _present(heredoc=name)


def _mount(mount: MountRequest) -> dict[str, Any]:
    match mount:
        case BindRequest(target, source, path):
            return _present(type="bind", target=target, source=_source(source), path=path)
        case CacheRequest():
            return _present(
                type="cache",
                target=mount.target,
                id=mount.id,
                source=_source(mount.source) if mount.source else "",
                path=mount.path if mount.is_filled else "",
                sharing=mount.sharing,
                **_ownership(mount),
            )
        case TmpfsRequest(target, size):
            return _present(type="tmpfs", target=target, size=size)
        case SecretRequest():
            return _present(
                type="secret",
                target=mount.target,
                id=mount.id,
                variable=mount.variable,
                required=mount.required,
                **_ownership(mount),
            )
        case SshRequest():
            return _present(
                type="ssh", target=mount.target, id=mount.id, required=mount.required, **_ownership(mount)
            )


def _ownership(mount: CacheRequest | SecretRequest | SshRequest) -> dict[str, Any]:
    return {"owner": f"{mount.uid}:{mount.gid}", "mode": f"{mount.mode:04o}"}


def _source(source: Source) -> str:
    match source:
        case ContextSource():
            return "the context"
        case StageSource(index):
            return f"stage {index}"
        case ImageSource(reference, found):
            return f"{reference.familiar} {found.image.manifest_digest}"
        case EmptySource():
            return "nothing"


def _pattern(pattern: Pattern) -> str:
    return ("!" if pattern.is_exception else "") + pattern.text


def _line(value: dict[str, Any]) -> str:
    return " ".join(key if shown is True else f"{key}={shown}" for key, shown in value.items())


def _present(**value: Any) -> dict[str, Any]:
    return {key: each for key, each in value.items() if each or (each == 0 and each is not False)}

"""`create`: makes an ImageBuild of a Dockerfile and, if there is one, of a folder."""

import json
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from kubectl_imagebuild import manifest
from kubectl_imagebuild.context import executor
from kubectl_imagebuild.context.artifact import write_layout
from kubectl_imagebuild.context.config_maps import Spread, UnfitError, spread
from kubectl_imagebuild.errors import PluginError
from kubectl_imagebuild.kubectl import Kubectl
from kubectl_imagebuild.verbs.asked import Asked
from kubectl_imagebuild.verbs.logs import watch
from yadokari_api.keys import API_VERSION, KIND

Resource = Mapping[str, Any]


def run(asked: Asked) -> int:
    """Make it, or show what would be made; returns the exit code."""
    arguments = asked.arguments
    text = _read_dockerfile(arguments.file or _beside(arguments.folder))
    context = _context(asked, text) if arguments.folder else Spread((), {})
    build = _build(asked, text, context.context)
    resources = [*context.config_maps, build]
    if arguments.dry_run == "client":
        asked.out.write(_written(resources, arguments.output or "name"))
        return 0
    if arguments.dry_run == "server":
        output = ("-o", arguments.output) if arguments.output else ()
        listed = manifest.as_json(resources)
        asked.out.write(asked.kubectl.run("create", "--dry-run=server", "-f", "-", *output, stdin=listed))
        return 0
    _create(asked, context.config_maps, build)
    return watch(asked, arguments.name) if arguments.follow else 0


def _beside(folder: str | None) -> str:
    return f"{folder.rstrip('/')}/Dockerfile" if folder else "Dockerfile"


def _read_dockerfile(path: str) -> str:
    try:
        return Path("/dev/stdin" if path == "-" else path).read_text("utf-8")
    except OSError as error:
        raise PluginError(
            f"the Dockerfile {path} cannot be read: {error.strerror}: name another one by --file"
        ) from None
    except UnicodeDecodeError:
        raise PluginError(
            f"the Dockerfile {path} is no UTF-8, which a spec has to be: name it in the context instead"
        ) from None


def _build(asked: Asked, text: str, context: Resource) -> Resource:
    arguments = asked.arguments
    push = {"pushSecretRef": {"name": arguments.push_secret}} if arguments.push_secret else {}
    insecure = {"insecure": True} if arguments.insecure else {}
    spec: dict[str, Any] = {
        "dockerfile": text,
        **({"context": context} if context else {}),
        **({"buildArgs": build_args} if (build_args := _build_args(asked)) else {}),
        **({"target": arguments.target} if arguments.target else {}),
        **({"platforms": platforms} if (platforms := _platforms(arguments.platform)) else {}),
        "destinations": [{"image": image, **insecure, **push} for image in arguments.destination],
        **(
            {"pullSecretRefs": [{"name": name} for name in arguments.pull_secret]}
            if arguments.pull_secret
            else {}
        ),
    }
    metadata = {"name": arguments.name}
    if arguments.namespace:
        metadata["namespace"] = arguments.namespace
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}


def _build_args(asked: Asked) -> dict[str, str]:
    """Read `--build-arg`; one without a value has that of the environment, as in docker build."""
    found = {}
    for given in asked.arguments.build_arg:
        name, is_set, value = given.partition("=")
        if not is_set and name not in asked.environment:
            raise PluginError(
                f"--build-arg {name} has no value, and there is no such variable: write {name}=VALUE", 2
            )
        found[name] = value if is_set else asked.environment[name]
    return found


def _platforms(given: Sequence[str]) -> list[str]:
    """List the platforms that are asked for, each once."""
    return list(dict.fromkeys(one for some in given for one in some.split(",") if one))


def _context(asked: Asked, text: str) -> Spread:
    """Have the folder where pods get it: in ConfigMaps where it fits, unless a registry is named."""
    arguments = asked.arguments
    with tempfile.TemporaryDirectory() as scratch:
        archive = Path(scratch, "context.tar")
        dockerfile = Path(arguments.file or _beside(arguments.folder)).absolute()
        if arguments.file == "-":
            dockerfile = Path(scratch, "Dockerfile")
            dockerfile.write_text(text, "utf-8")
        executor.run(
            "pack-context",
            arguments.folder,
            str(archive),
            *("--dockerfile", str(dockerfile)),
            environment=asked.environment,
        )
        if arguments.context_image:
            return _pushed(asked, archive, Path(scratch, "layout"))
        try:
            with tarfile.open(archive) as opened:
                made = spread(opened, arguments.name)
        except UnfitError as error:
            raise PluginError(
                f"the folder {arguments.folder} does not fit into ConfigMaps: {error}: name a place in a"
                " registry to push it to, by --context-image, or leave files out by .dockerignore"
            ) from None
    return Spread([_placed(one, arguments.namespace) for one in made.config_maps], made.context)


def _pushed(asked: Asked, archive: Path, folder: Path) -> Spread:
    """Push the folder as an image; a dry run tells its digest without."""
    arguments = asked.arguments
    layout = write_layout(archive, folder)
    place = arguments.context_image
    tagged = place if ":" in place.rpartition("/")[2] else f"{place}:{arguments.name}"
    if arguments.dry_run == "none":
        flags = ("--insecure",) if arguments.insecure else ()
        pushed = executor.run(
            "push", str(folder), "--destination", tagged, *flags, environment=asked.environment
        )
        asked.notes.write(f"context pushed: {tagged}@{pushed}\n")
    else:
        asked.notes.write(f"the context is not pushed to {tagged} in a dry run\n")
    secret = {"pullSecretRef": {"name": arguments.pull_secret[0]}} if arguments.pull_secret else {}
    return Spread((), {"oci": {"image": f"{tagged}@{layout.digest}", **secret}})


def _placed(config_map: Resource, namespace: str | None) -> Resource:
    if not namespace:
        return config_map
    return {**config_map, "metadata": {**config_map["metadata"], "namespace": namespace}}


def _written(resources: Sequence[Resource], output: str) -> str:
    match output:
        case "yaml":
            return manifest.as_yaml(resources)
        case "json":
            return manifest.as_json(resources)
        case _:
            return "".join(f"{_kind(one)}/{one['metadata']['name']}\n" for one in resources)


def _kind(resource: Resource) -> str:
    group = resource["apiVersion"].partition("/")[0] if "/" in resource["apiVersion"] else ""
    return f"{resource['kind'].lower()}{f'.{group}' if group else ''}"


def _create(asked: Asked, config_maps: Sequence[Resource], build: Resource) -> None:
    """Make the ConfigMaps first, so that nothing is missed; they go when the ImageBuild goes."""
    kubectl, made = asked.kubectl, []
    try:
        for config_map in config_maps:
            kubectl.run("create", "-f", "-", stdin=json.dumps(config_map))
            made.append(config_map["metadata"]["name"])
    except (PluginError, KeyboardInterrupt):
        _take_back(kubectl, made)
        raise
    try:
        created = kubectl.json("create", "-f", "-", stdin=json.dumps(build))
    except PluginError:
        # Not after an interrupt: it may be there, and build with them.
        _take_back(kubectl, made)
        raise
    if made:
        _own(kubectl, made, created)
    asked.out.write(_created(created, asked.arguments.output))


def _take_back(kubectl: Kubectl, names: Sequence[str]) -> None:
    if names:
        kubectl.run("delete", "configmap", *names)


def _own(kubectl: Kubectl, names: Sequence[str], owner: Resource) -> None:
    reference = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    patch = json.dumps({"metadata": {"ownerReferences": [reference]}})
    kubectl.run("patch", "configmap", *names, "--type=merge", "-p", patch)


def _created(created: Resource, output: str | None) -> str:
    name = f"{_kind(created)}/{created['metadata']['name']}\n"
    if output in ("yaml", "json"):
        return _written([created], output)
    return name if output == "name" else f"{name[:-1]} created\n"

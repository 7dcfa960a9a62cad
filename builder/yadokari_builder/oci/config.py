"""An image's config: how its containers run, its layers' diff IDs and its history.

image-spec, config.md, with the fields that Docker adds (moby/docker-image-spec). What BuildKit carries over
from a base image is kept; what it drops (`container`, `docker_version`, `Hostname` and the like) is dropped.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.oci.descriptor import format_platform, parse_platform
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.fields import Fields, format_json, parse_object, present
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.timestamp import canonical_time


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """How a container's health is checked; durations in nanoseconds, zero inherits."""

    test: tuple[str, ...] = ()
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0

    @classmethod
    def parse(cls, fields: Fields) -> "Healthcheck":
        """Read the JSON object."""
        return cls(
            fields.texts("Test"),
            fields.number("Interval"),
            fields.number("Timeout"),
            fields.number("StartPeriod"),
            fields.number("StartInterval"),
            fields.number("Retries"),
        )

    def format(self) -> dict[str, object]:
        """Return the JSON object."""
        return present(
            Test=list(self.test),
            Interval=self.interval,
            Timeout=self.timeout,
            StartPeriod=self.start_period,
            StartInterval=self.start_interval,
            Retries=self.retries,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerConfig:
    """How a container of the image runs; `env` holds NAME=VALUE, `stop_timeout` is in seconds."""

    user: str = ""
    exposed_ports: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    volumes: tuple[str, ...] = ()
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    stop_signal: str = ""
    args_escaped: bool = False
    healthcheck: Healthcheck | None = None
    on_build: tuple[str, ...] = ()
    shell: tuple[str, ...] | None = None
    stop_timeout: int | None = None

    @classmethod
    def parse(cls, fields: Fields) -> "ContainerConfig":
        """Read the JSON object."""
        return cls(
            user=fields.argument("User"),
            exposed_ports=fields.keys("ExposedPorts"),
            env=fields.arguments("Env"),
            entrypoint=fields.arguments("Entrypoint") or None,
            cmd=fields.arguments("Cmd") or None,
            volumes=fields.keys("Volumes"),
            working_dir=fields.argument("WorkingDir"),
            labels=MappingProxyType(fields.text_map("Labels")),
            stop_signal=fields.text("StopSignal"),
            args_escaped=fields.flag("ArgsEscaped"),
            healthcheck=Healthcheck.parse(fields.object("Healthcheck")) if "Healthcheck" in fields else None,
            on_build=fields.texts("OnBuild"),
            shell=fields.arguments("Shell") or None,
            stop_timeout=fields.number("StopTimeout") if "StopTimeout" in fields else None,
        )

    def format(self) -> dict[str, object]:
        """Return the JSON object, in the order of Go's structs, empty fields left out."""
        values = present(
            User=self.user,
            ExposedPorts={port: {} for port in sorted(self.exposed_ports)},
            Env=list(self.env),
            Entrypoint=list(self.entrypoint or ()),
            Cmd=list(self.cmd or ()),
            Volumes={path: {} for path in sorted(self.volumes)},
            WorkingDir=self.working_dir,
            Labels=dict(sorted(self.labels.items())),
            StopSignal=self.stop_signal,
            ArgsEscaped=self.args_escaped,
        )
        # Pointers in Go: what they point at is written even where it is empty.
        if self.healthcheck is not None:
            values["Healthcheck"] = self.healthcheck.format()
        values |= present(OnBuild=list(self.on_build))
        if self.stop_timeout is not None:
            values["StopTimeout"] = self.stop_timeout
        return values | present(Shell=list(self.shell or ()))


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What one step did; `created` is RFC 3339 text, a step without a layer is marked `empty_layer`."""

    created: str | None = None
    created_by: str = ""
    comment: str = ""
    author: str = ""
    empty_layer: bool = False

    @classmethod
    def parse(cls, fields: Fields) -> "History":
        """Read the JSON object."""
        return cls(
            created=_parse_created(fields),
            created_by=fields.text("created_by"),
            comment=fields.text("comment"),
            author=fields.text("author"),
            empty_layer=fields.flag("empty_layer"),
        )

    def format(self) -> dict[str, object]:
        """Return the JSON object."""
        return present(
            created=self.created,
            created_by=self.created_by,
            author=self.author,
            comment=self.comment,
            empty_layer=self.empty_layer,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """An image's config; `created` is RFC 3339 text (see `timestamp`), diff IDs go from bottom to top."""

    platform: Platform
    created: str | None = None
    author: str = ""
    config: ContainerConfig = field(default_factory=ContainerConfig)
    diff_ids: tuple[Digest, ...] = ()
    history: tuple[History, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> "ImageConfig":
        """Read a config blob, Docker's or OCI's; raises `ImageInvalidError` with the field that is wrong."""
        fields = parse_object(data, "image config")
        root = fields.object("rootfs")
        if root.text("type") not in ("", "layers"):
            root.fail("type", f"is {root.text('type')[:100]!r}: only layers are known")
        return cls(
            platform=parse_platform(fields),
            created=_parse_created(fields),
            author=fields.text("author"),
            config=ContainerConfig.parse(fields.object("config")),
            diff_ids=tuple(map(Digest.parse, root.texts("diff_ids"))),
            history=tuple(map(History.parse, fields.objects("history"))),
        )

    def format(self) -> bytes:
        """Write the config blob as BuildKit does: keys of the outer object sorted, no white space."""
        values = {
            **format_platform(self.platform),
            **present(author=self.author, created=self.created),
            "config": self.config.format(),
            "history": [entry.format() for entry in self.history],
            "rootfs": {"type": "layers", "diff_ids": list(map(str, self.diff_ids))},
        }
        return format_json(dict(sorted(values.items())))


def _parse_created(fields: Fields) -> str | None:
    if "created" not in fields:
        return None
    try:
        return canonical_time(fields.text("created"))
    except ImageInvalidError as error:
        fields.fail("created", f"is wrong: {error}")

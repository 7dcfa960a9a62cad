"""Platforms: how they are written, normalised and matched, as containerd's `platforms` package does."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from yadokari_builder.errors import UsageError

_OS = re.compile(r"([A-Za-z0-9_-]+)(?:\(([A-Za-z0-9_.-]*)\))?")
_COMPONENT = re.compile(r"[A-Za-z0-9_.-]+")

_SYSTEMS = frozenset(
    {
        *("aix", "android", "darwin", "dragonfly", "freebsd", "hurd", "illumos", "ios", "js", "linux"),
        *("nacl", "netbsd", "openbsd", "plan9", "solaris", "windows", "zos"),
    }
)
_ARCHITECTURES = frozenset(
    {
        *("386", "amd64", "amd64p32", "arm", "arm64", "arm64be", "armbe", "loong64", "mips", "mips64"),
        *("mips64le", "mips64p32", "mips64p32le", "mipsle", "ppc", "ppc64", "ppc64le", "riscv", "riscv64"),
        *("s390", "s390x", "sparc", "sparc64", "wasm"),
    }
)
"""What may stand alone; beside an operating system any word is an architecture."""


class InvalidPlatformError(UsageError):
    """A platform is not written as `os/architecture[/variant]`, or one of the two alone."""


@dataclass(frozen=True, slots=True)
class Platform:
    """What an image runs on, in Go's words (GOOS, GOARCH)."""

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""
    os_features: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str, *, default: "Platform | None" = None) -> "Platform":
        """Read `os/architecture[/variant]`, normalised.

        `os` or `architecture` alone is completed from `default`. Raises `InvalidPlatformError` in the words
        of containerd.
        """
        if "*" in text:
            raise InvalidPlatformError(f"{_quoted(text)}: wildcards not yet supported: invalid argument")
        first, *others = text.split("/", 3)
        system = _OS.fullmatch(first)
        if not system:
            raise InvalidPlatformError(
                f"{_quoted(first)} is an invalid OS component of {_quoted(text)}: OSAndVersion specifier "
                f"component must match {_quoted(f'^{_OS.pattern}$')}: invalid argument"
            )
        for component in others:
            if not _COMPONENT.fullmatch(component):
                raise InvalidPlatformError(
                    f"{_quoted(component)} is an invalid component of {_quoted(text)}: platform specifier "
                    f"component must match {_quoted(f'^{_COMPONENT.pattern}$')}: invalid argument"
                )
        match others:
            case []:
                return cls._parse_half(text, default)
            case [architecture, *variant] if len(variant) <= 1:
                return cls(system[1], architecture, "".join(variant), system[2] or "").normalized()
        raise InvalidPlatformError(f"{_quoted(text)}: cannot parse platform specifier: invalid argument")

    @classmethod
    def _parse_half(cls, text: str, default: "Platform | None") -> "Platform":
        name, _, version = text.rstrip(")").partition("(")
        system = _normal_system(name)
        architecture, variant = _normal_architecture(text, "")
        if default and system in _SYSTEMS:
            own_variant = default.variant if default.architecture == "arm" else ""
            return cls(system, default.architecture, own_variant, version)
        if default and architecture in _ARCHITECTURES:
            return cls(default.os, architecture, variant)
        raise InvalidPlatformError(
            f"{_quoted(text)}: unknown operating system or architecture: invalid argument"
        )

    def normalized(self) -> "Platform":
        """Return this platform in canonical words: aarch64 is arm64, arm without a variant is v7."""
        architecture, variant = _normal_architecture(self.architecture, self.variant)
        features = tuple(sorted(set(self.os_features)))
        return Platform(_normal_system(self.os), architecture, variant, self.os_version, features)

    def matches(self, other: "Platform") -> bool:
        """Tell whether an image for `other` runs on this platform."""
        return self.preference(other) is not None

    def preference(self, other: "Platform") -> int | None:
        """Rank an image for `other` on this platform: 0 is best, None does not run.

        arm64 takes older arm64 variants and then arm, arm takes older variants, amd64 takes lower levels
        and then 386.
        """
        for rank, wanted in enumerate(self.normalized()._fallbacks()):
            if _same(wanted, other.normalized()):
                return rank
        return None

    def _fallbacks(self) -> Iterator["Platform"]:
        yield self
        if self.architecture == "amd64":
            for level in range(_version(self.variant)[0] - 1, 0, -1):
                yield replace(self, variant=f"v{level}")
            yield replace(self, architecture="386", variant="")
        elif self.architecture == "arm":
            for version in range(_version(self.variant)[0] - 1, 4, -1):
                yield replace(self, variant=f"v{version}")
        elif self.architecture == "arm64":
            major, minor = _version(self.variant or "v8")
            for variant in _older_arm64(major, minor):
                yield replace(self, variant=variant)
            for version in range(8, 4, -1):
                yield replace(self, architecture="arm", variant=f"v{version}")

    def __str__(self) -> str:
        system = f"{self.os}({self.os_version})" if self.os_version else self.os
        return "/".join(filter(None, (system, self.architecture, self.variant)))


def _same(wanted: Platform, offered: Platform) -> bool:
    # The operating system's version matters on Windows alone, and Windows images cannot be built here.
    key = (wanted.os, wanted.architecture, wanted.normalized().variant)
    return key == (offered.os, offered.architecture, offered.variant) and set(offered.os_features) <= set(
        wanted.os_features
    )


def _older_arm64(major: int, minor: int) -> Iterator[str]:
    if major == 9:
        yield from (_variant(9, older) for older in range(minor - 1, -1, -1))
        # Armv9.x includes Armv8.(x+5).
        major, minor = 8, minor + 6
    if major == 8:
        yield from (_variant(8, older) for older in range(minor - 1, -1, -1))


def _variant(major: int, minor: int) -> str:
    return f"v{major}.{minor}" if minor else f"v{major}"


def _version(variant: str) -> tuple[int, int]:
    match = re.fullmatch(r"v?([0-9]{1,3})(?:\.([0-9]))?", variant)
    return (int(match[1]), int(match[2] or 0)) if match else (0, 0)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _normal_system(name: str) -> str:
    name = name.lower()
    return "darwin" if name == "macos" else name


def _normal_architecture(architecture: str, variant: str) -> tuple[str, str]:
    architecture, variant = architecture.lower(), variant.lower()
    match architecture, variant:
        case "i386", _:
            return "386", ""
        case (("x86_64" | "x86-64" | "amd64"), _):
            return "amd64", "" if variant == "v1" else variant
        case (("aarch64" | "arm64"), _):
            return "arm64", "" if variant in ("8", "v8") else variant
        case "armhf", _:
            return "arm", "v7"
        case "armel", _:
            return "arm", "v6"
        case "arm", ("" | "7"):
            return "arm", "v7"
        case "arm", ("5" | "6" | "8"):
            return "arm", f"v{variant}"
    return architecture, variant

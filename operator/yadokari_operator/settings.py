"""The operator's settings, read from environment variables."""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase

import yaml
from pydantic import ValidationError

from yadokari_api.fields import IMAGE, LABEL_KEY, LABEL_VALUE, REGISTRY
from yadokari_api.model import explain
from yadokari_api.policy import ImageBuildPolicySpec
from yadokari_api.rules import Rule, matches
from yadokari_contract import references
from yadokari_contract.proxies import Proxies, ProxyError, read_proxies
from yadokari_contract.suggestion import suggest
from yadokari_contract.urls import path_of
from yadokari_contract.variables import TRACED
from yadokari_operator.turns import NodeLimit

DEFAULT_EXECUTOR_IMAGE = "yadokari/executor:0.1.0"
DEFAULT_LEASE_NAMESPACE = "yadokari-system"
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")
RUNTIMES = ("Auto", "ImageVolume", "InitContainer")
ISOLATIONS = ("Auto", "Namespaces", "Shared")
LODGINGS = ("Auto", "Always", "Never")
PROC_MOUNTS = ("Default", "Unmasked")
NOTIFY_FORMATS = ("CloudEvents", "Text")
_TRUTHS = ("true", "false")
POLICY = "YADOKARI_POLICY"

_NAMESPACE = matches(
    "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", "it is the name of one namespace: lower-case letters, digits and -"
)
_NAMESPACES = matches("[-a-z0-9*]{1,63}", "it is a list of namespaces, such as team pull-request-*")
_REGISTRIES = matches(
    REGISTRY, "it is a list of registries as HOST[:PORT], without https:// and without a path"
)
_MIRRORS = matches(
    rf"(http://)?{REGISTRY}(/{references.PATH})?/?",
    "it is a list of mirrors as HOST[:PORT][/PATH], such as mirror.example.com/docker.io, without https://",
)
_PROFILE = matches(
    r"(\.{0,2}[^/.\s][^/\s]*|\.{3}[^/\s]*)(/(\.{0,2}[^/.\s][^/\s]*|\.{3}[^/\s]*))*",
    "it is a path below the kubelet's folder of seccomp profiles, such as yadokari/namespaces.json,"
    " without / before it and without ..",
)
_IDENTITY = matches("[!-~]{1,253}", "it is a name of up to 253 characters of ASCII, without blanks")


class SettingsError(ValueError):
    """An environment variable has a value that cannot be; the text names it and what it can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this operator works.

    `namespace` is the one namespace that is watched, all of them when empty. `registry_mirrors` are mirrors
    of docker.io as HOST[/PATH], `insecure_registries` registries (HOST[:PORT]) that may speak plain HTTP;
    both go to every build. Builds of `cache_read_only_namespaces` (* in one is any text) write no cache in a
    registry, those of `ignored_namespaces` are left alone. `policy` holds for all builds, beside those of the
    cluster. `max_builds` may run at a time, `max_builds_per_namespace` in each namespace; 0 is any number.
    `max_builds_on_nodes` may run of those whose pods demand such nodes. `lease_namespace` is where the Lease
    lies of who works, `identity` who this operator is there, as nobody else at the same time.
    `health_address` (HOST:PORT) serves GET /healthz, `metrics_address` GET /metrics.

    `telemetry` are OpenTelemetry's own variables; `executor_otlp_endpoint` is the base that executors send
    traces to in the place of the operator's.

    `notify_url` is told when builds start and end, in `notify_format`, signed by `notify_key` if set. It and
    the endpoint of traces are reached by `proxies`, those of HTTPS_PROXY, HTTP_PROXY and NO_PROXY.

    Of executors, `executor_runtime` says how their own files come into the pod, `executor_isolation` how
    their steps are kept apart, `executor_lodging` whether they build in a base image's own container, where
    an ImageBuild says nothing. `executor_seccomp_profile` is a file below
    the kubelet's folder of seccomp profiles, empty for the container runtime's own; `executor_host_users` is
    whether pods use the node's users (true or false).
    """

    executor_image: str = DEFAULT_EXECUTOR_IMAGE
    executor_runtime: str = "Auto"
    executor_isolation: str = "Auto"
    executor_lodging: str = "Auto"
    executor_seccomp_profile: str = ""
    executor_host_users: str = "true"
    executor_proc_mount: str = "Default"
    executor_otlp_endpoint: str = ""
    registry_mirrors: tuple[str, ...] = ()
    insecure_registries: tuple[str, ...] = ()
    cache_read_only_namespaces: tuple[str, ...] = ()
    ignored_namespaces: tuple[str, ...] = ()
    policy: ImageBuildPolicySpec | None = None
    max_builds: int = 0
    max_builds_per_namespace: int = 0
    max_builds_on_nodes: tuple[NodeLimit, ...] = ()
    namespace: str = ""
    lease_namespace: str = DEFAULT_LEASE_NAMESPACE
    identity: str = ""
    health_address: str = "0.0.0.0:8080"
    metrics_address: str = "0.0.0.0:8081"
    notify_url: str = field(default="", repr=False)
    notify_key: str = field(default="", repr=False)
    notify_format: str = "CloudEvents"
    telemetry: Mapping[str, str] = field(default_factory=dict, repr=False)
    proxies: Proxies = field(default_factory=Proxies, repr=False)
    log_level: str = "info"
    log_format: str = "text"

    @property
    def has_traces(self) -> bool:
        """Whether anybody may want traces: what makes them is loaded only then."""
        return bool(self.executor_otlp_endpoint) or any(map(self.telemetry.get, TRACED))

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the variables; an empty one counts as not set. Raises `SettingsError`."""
        namespace = _ruled(environment, "NAMESPACE", _NAMESPACE)
        settings = cls(
            executor_image=_ruled(environment, "EXECUTOR_IMAGE", IMAGE, DEFAULT_EXECUTOR_IMAGE),
            executor_runtime=_choice(environment, "EXECUTOR_RUNTIME", RUNTIMES, "Auto"),
            executor_isolation=_choice(environment, "EXECUTOR_ISOLATION", ISOLATIONS, "Auto"),
            executor_lodging=_choice(environment, "EXECUTOR_LODGING", LODGINGS, "Auto"),
            executor_seccomp_profile=_ruled(environment, "EXECUTOR_SECCOMP_PROFILE", _PROFILE),
            executor_host_users=_choice(environment, "EXECUTOR_HOST_USERS", _TRUTHS, "true"),
            executor_proc_mount=_choice(environment, "EXECUTOR_PROC_MOUNT", PROC_MOUNTS, "Default"),
            executor_otlp_endpoint=_url(environment, "EXECUTOR_OTLP_ENDPOINT"),
            registry_mirrors=_list(environment, "REGISTRY_MIRRORS", _MIRRORS),
            insecure_registries=_list(environment, "INSECURE_REGISTRIES", _REGISTRIES),
            cache_read_only_namespaces=_list(environment, "CACHE_READ_ONLY_NAMESPACES", _NAMESPACES),
            ignored_namespaces=_list(environment, "IGNORED_NAMESPACES", _NAMESPACES),
            policy=_policy(environment),
            max_builds=_number(environment, "MAX_BUILDS"),
            max_builds_per_namespace=_number(environment, "MAX_BUILDS_PER_NAMESPACE"),
            max_builds_on_nodes=_node_limits(environment, "MAX_BUILDS_ON_NODES"),
            namespace=namespace,
            lease_namespace=_ruled(
                environment, "LEASE_NAMESPACE", _NAMESPACE, namespace or DEFAULT_LEASE_NAMESPACE
            ),
            identity=_ruled(environment, "IDENTITY", _IDENTITY),
            health_address=_address(environment, "HEALTH_ADDRESS", "0.0.0.0:8080"),
            metrics_address=_address(environment, "METRICS_ADDRESS", "0.0.0.0:8081"),
            notify_url=_url(environment, "NOTIFY_URL"),
            notify_key=_signing_key(environment, "NOTIFY_KEY"),
            notify_format=_choice(environment, "NOTIFY_FORMAT", NOTIFY_FORMATS, "CloudEvents"),
            telemetry={name: environment[name] for name in environment if name.startswith("OTEL_")},
            proxies=_proxies(environment),
            log_level=_choice(environment, "LOG_LEVEL", LOG_LEVELS, "info"),
            log_format=_choice(environment, "LOG_FORMAT", LOG_FORMATS, "text"),
        )
        if settings.executor_proc_mount == "Unmasked" and settings.executor_host_users == "true":
            raise SettingsError(
                "YADOKARI_EXECUTOR_PROC_MOUNT is Unmasked: that takes YADOKARI_EXECUTOR_HOST_USERS=false,"
                " or pods are refused"
            )
        return settings

    def ignores(self, namespace: str) -> bool:
        """Whether ImageBuilds of a namespace are left alone."""
        return is_among(namespace, self.ignored_namespaces)

    @property
    def never_asked(self) -> tuple[str, ...]:
        """Namespaces that are left alone and named, so that the API server is asked for nothing of them."""
        return tuple(name for name in self.ignored_namespaces if "*" not in name)


def no_settings(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the variables YADOKARI_* that are no settings, each with the one that may be meant, or ""."""
    known = [
        f"YADOKARI_{it.name.upper()}" for it in fields(Settings) if it.name not in ("telemetry", "proxies")
    ]
    for name in sorted(environment):
        if name.startswith("YADOKARI_") and name not in known:
            yield name, suggest(name, known)


def is_among(namespace: str, patterns: tuple[str, ...]) -> bool:
    """Whether a namespace is one of some, in which * is any text."""
    return any(fnmatchcase(namespace, pattern) for pattern in patterns)


def _text(environment: Mapping[str, str], name: str, default: str) -> str:
    return environment.get(f"YADOKARI_{name}", "").strip() or default


def _ruled(environment: Mapping[str, str], name: str, rule: Rule, default: str = "") -> str:
    value = _text(environment, name, default)
    if value and not rule.holds(value):
        raise SettingsError(f"YADOKARI_{name} is {value!r}: {rule.message}")
    return value


def _list(environment: Mapping[str, str], name: str, rule: Rule) -> tuple[str, ...]:
    """Read values that commas or blanks separate, each of which a rule is for."""
    values = tuple(filter(None, re.split(r"[\s,]+", _text(environment, name, ""))))
    for value in values:
        if not rule.holds(value):
            raise SettingsError(f"YADOKARI_{name} has {value!r}: {rule.message}")
    return values


def _policy(environment: Mapping[str, str]) -> ImageBuildPolicySpec | None:
    try:
        said = yaml.safe_load(_text(environment, "POLICY", ""))
    # PyYAML lets out what Python says of impossible numbers, times and tags, and of depth.
    except (yaml.YAMLError, ValueError, AttributeError, RecursionError) as error:
        raise SettingsError(f"{POLICY} is no YAML: {' '.join(str(error).split())}") from None
    try:
        policy = None if said is None else ImageBuildPolicySpec.model_validate(said)
    except ValidationError as error:
        raise SettingsError(explain(error, POLICY)) from None
    if policy and policy.namespace_selector:
        raise SettingsError(
            f"{POLICY} has namespaceSelector: it is for all builds of this operator, leave that out"
        )
    return policy


def _number(environment: Mapping[str, str], name: str) -> int:
    value = _text(environment, name, "0")
    if re.fullmatch("[0-9]{1,6}", value) is None:
        raise SettingsError(f"YADOKARI_{name} is {value!r}: it is a number up to 999999, 0 for no limit")
    return int(value)


def _node_limits(environment: Mapping[str, str], name: str) -> tuple[NodeLimit, ...]:
    value = _text(environment, name, "")
    return tuple(_node_limit(name, part) for part in value.split())


def _node_limit(name: str, text: str) -> NodeLimit:
    label = f"{LABEL_KEY}={LABEL_VALUE}"
    found = re.fullmatch(f"(?P<labels>{label}(,{label})*):(?P<most>[1-9][0-9]{{0,5}})", text, re.ASCII)
    if found is None:
        raise SettingsError(
            f"YADOKARI_{name} has {text!r}: it is a list of LABEL=VALUE[,LABEL=VALUE...]:NUMBER, separated by"
            " blanks, such as pool=gpu:2 kubernetes.io/arch=arm64:4"
        )
    labels = (tuple(label.split("=", 1)) for label in found["labels"].split(","))
    return NodeLimit(frozenset((key, value) for key, value in labels), int(found["most"]))


def _choice(environment: Mapping[str, str], name: str, choices: tuple[str, ...], default: str) -> str:
    value = _text(environment, name, default)
    found = next((choice for choice in choices if choice.lower() == value.lower()), None)
    if found is None:
        raise SettingsError(f"YADOKARI_{name} is {value!r}: it can be {', '.join(choices)}")
    return found


def _address(environment: Mapping[str, str], name: str, default: str) -> str:
    value = _text(environment, name, default)
    port = re.fullmatch(r"[^\s/:]+:([0-9]{1,5})", value)
    if port is None or not 0 < int(port[1]) < 65536:
        raise SettingsError(f"YADOKARI_{name} is {value!r}: it has the form HOST:PORT")
    try:
        value.rpartition(":")[0].encode("idna")  # as who looks it up does
    except UnicodeError:
        raise SettingsError(
            f"YADOKARI_{name} is {value!r}: it has the form HOST:PORT, and no host can have this name"
        ) from None
    return value


def _url(environment: Mapping[str, str], name: str) -> str:
    value = _text(environment, name, "")
    # What it is may be secret, so it is not said.
    if value and path_of(value) is None:
        raise SettingsError(f"YADOKARI_{name} has the form https://HOST/PATH")
    return value


def _proxies(environment: Mapping[str, str]) -> Proxies:
    try:
        return read_proxies(environment)
    except ProxyError as error:
        raise SettingsError(str(error)) from None


def _signing_key(environment: Mapping[str, str], name: str) -> str:
    value = _text(environment, name, "")
    if value.startswith("whsec_"):
        try:
            base64.b64decode(value.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            raise SettingsError(f"YADOKARI_{name}: what follows whsec_ is base64") from None
    return value

"""What policies make of a spec: defaults where it says nothing, bounds that it keeps to or breaks.

Of what makes the image they change nothing, so the hash of the inputs is that of the spec alone.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from yadokari_api.cache import CacheRegistry
from yadokari_api.fields import Quantity, amount, repository_of, seconds
from yadokari_api.keys import POLICY_KIND
from yadokari_api.model import explain
from yadokari_api.pod.executor import Executor, Resources
from yadokari_api.pod.scheduling import LabelRequirement, LabelSelector
from yadokari_api.policy import Bounds, Defaults, ImageBuildPolicySpec, Policy
from yadokari_api.spec import ImageBuildSpec

Amounts = Mapping[str, Quantity]

_UNLIMITED = ("cpu", "memory", "ephemeral-storage")
"""What a pod uses as much of as it likes where it names no limit. Of anything else it then gets none."""


@dataclass(frozen=True, slots=True)
class Violation:
    """Why a spec is not built: the policy, the field, and what it may be."""

    message: str


def in_order(
    resources: Iterable[Mapping[str, Any]], labels: Mapping[str, str]
) -> tuple[Policy, ...] | Violation:
    """Give the policies for a namespace with these labels, by their names.

    One that cannot be read forbids everything: what it would have allowed is not known.
    """
    found = []
    for resource in sorted(resources, key=lambda it: str(it["metadata"]["name"])):
        try:
            found.append(Policy.parse(resource))
        except ValidationError as error:
            name = f"{POLICY_KIND} {resource['metadata']['name']}"
            return Violation(f"{name} cannot be read, so nothing is built: {explain(error, 'spec')}")
    return tuple(policy for policy in found if selects(policy.spec, labels))


def selects(policy: ImageBuildPolicySpec, labels: Mapping[str, str]) -> bool:
    """Whether a policy is for a namespace with these labels."""
    selector = policy.namespace_selector or LabelSelector()
    return selector.match_labels.items() <= labels.items() and all(
        _holds(requirement, labels) for requirement in selector.match_expressions
    )


def _holds(requirement: LabelRequirement, labels: Mapping[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value in requirement.values
        case "NotIn":
            return value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None


def ruled(spec: ImageBuildSpec, policies: Sequence[Policy]) -> ImageBuildSpec | Violation:
    """Give a spec with what policies say of it, of which the first counts for defaults and all for bounds."""
    if not policies:
        return spec
    for policy in policies:
        spec = _with_defaults(spec, policy.spec.defaults or Defaults())
    bounds = [(policy.title, policy.spec.bounds or Bounds()) for policy in policies]
    spec = _with_limits(spec, [it.resources for _, it in bounds])
    for title, bound in bounds:
        for problem in _problems(spec, bound):
            return Violation(f"{title}: {problem}")
        spec = _within(spec, bound)
    return spec


def _executor(spec: ImageBuildSpec) -> Executor:
    return spec.executor or Executor()


def _changed(spec: ImageBuildSpec, **fields: object) -> ImageBuildSpec:
    executor = _executor(spec).model_copy(update=fields)
    return spec.model_copy(update={"executor": executor})


def _with_defaults(spec: ImageBuildSpec, defaults: Defaults) -> ImageBuildSpec:
    executor = _executor(spec)
    return _changed(
        spec,
        resources=_filled(executor.resources or Resources(), defaults.resources or Resources()),
        node_selector=defaults.node_selector | executor.node_selector,
        tolerations=executor.tolerations or defaults.tolerations,
        runtime_class_name=executor.runtime_class_name or defaults.runtime_class_name,
        priority_class_name=executor.priority_class_name or defaults.priority_class_name,
    )


def _filled(asked: Resources, defaults: Resources) -> Resources:
    """Fill in amounts. A default gives way where it would make a request higher than its limit."""
    limits = {
        name: max(value, asked.requests.get(name, value), key=amount)
        for name, value in defaults.limits.items()
    } | asked.limits
    requests = {
        name: min(value, limits.get(name, value), key=amount) for name, value in defaults.requests.items()
    } | asked.requests
    return Resources.model_construct(requests=requests, limits=limits)


def _with_limits(spec: ImageBuildSpec, bounds: Sequence[Amounts]) -> ImageBuildSpec:
    """Make the lowest bound of a resource the limit where there is none: what has no limit keeps no bound.

    Nothing is set aside for it: a pod with a limit alone would have all of that as its request.
    """
    most: dict[str, Quantity] = {}
    for bound in bounds:
        given = ((name, bound[name]) for name in _UNLIMITED if name in bound)
        most |= {name: min(value, most.get(name, value), key=amount) for name, value in given}
    resources = _executor(spec).resources or Resources()
    requests = {name: "0" for name in most if name not in resources.limits} | resources.requests
    return _changed(
        spec, resources=Resources.model_construct(requests=requests, limits=most | resources.limits)
    )


def _problems(spec: ImageBuildSpec, bounds: Bounds) -> Iterator[str]:
    """Tell what of a spec breaks bounds."""
    executor = _executor(spec)
    yield from _of_places(spec, bounds)
    account, accounts = executor.service_account_name, bounds.service_account_names
    if account and accounts is not None and account not in accounts:
        yield f"spec.executor.serviceAccountName is {account}: {_may_be(accounts)}"
    yield from _of_resources(executor.resources or Resources(), bounds.resources)
    for key, value in bounds.node_selector.items():
        if executor.node_selector.get(key, value) != value:
            named = executor.node_selector[key]
            yield f"spec.executor.nodeSelector.{key} is {named}: it may be {value}, or be left out"
    if bounds.isolation and executor.isolation not in (None, bounds.isolation):
        yield f"spec.executor.isolation is {executor.isolation}: it may be {bounds.isolation}, or be left out"
    if bounds.lodging and executor.lodging not in (None, "Auto", bounds.lodging):
        yield f"spec.executor.lodging is {executor.lodging}: it may be {bounds.lodging}, or be left out"
    if bounds.priority is not None and spec.priority > bounds.priority:
        yield f"spec.priority is {spec.priority}: it may be {bounds.priority} at most"
    if bounds.timeout and seconds(spec.timeout) > seconds(bounds.timeout):
        yield f"spec.timeout is {spec.timeout}: it may be {bounds.timeout} at most"


def _of_places(spec: ImageBuildSpec, bounds: Bounds) -> Iterator[str]:
    image = _executor(spec).image
    if image and bounds.executor_images is not None and not _is_in(image, bounds.executor_images):
        yield f"spec.executor.image is {image}: {_may_be(bounds.executor_images, 'from ')}"
    if bounds.registries is None:
        return
    for number, to in enumerate(spec.destinations):
        if not _is_in(to.image, bounds.registries):
            yield f"spec.destinations[{number}].image is {to.image}: {_may_be(bounds.registries, 'in ')}"
    cache = spec.cache.registry.image if spec.cache and spec.cache.registry else None
    if cache and not _is_in(cache, bounds.registries):
        yield f"spec.cache.registry.image is {cache}: {_may_be(bounds.registries, 'in ')}"


def _of_resources(resources: Resources, bounds: Amounts) -> Iterator[str]:
    for kind, amounts in (("limits", resources.limits), ("requests", resources.requests)):
        for name, value in amounts.items():
            if name in bounds and amount(value) > amount(bounds[name]):
                yield f"spec.executor.resources.{kind}.{name} is {value}: it may be {bounds[name]} at most"


def _may_be(allowed: Sequence[str], where: str = "") -> str:
    return f"it may be {where}{' or '.join(allowed)}" if allowed else "none may be named, leave it out"


def _is_in(reference: str, places: Sequence[str]) -> bool:
    """Whether an image or a repository is in one of some places, however each is spelled."""
    repository = repository_of(reference.partition("@")[0])
    return any(f"{repository}/".startswith(f"{_spelled(place)}/") for place in places)


def _spelled(place: str) -> str:
    host, _, path = place.rstrip("/").partition("/")
    host = host.lower().removeprefix("index.") if host.lower() == "index.docker.io" else host.lower()
    return f"{host}/{path}" if path else host


def _within(spec: ImageBuildSpec, bounds: Bounds) -> ImageBuildSpec:
    """Have a spec that breaks no bound keep to those that it says nothing of."""
    executor = _executor(spec)
    spec = _changed(
        spec,
        node_selector=executor.node_selector | bounds.node_selector,
        isolation=executor.isolation or bounds.isolation,
        lodging=bounds.lodging or executor.lodging,
    )
    if not bounds.cache_read_only or spec.cache is None:
        return spec
    registry = (spec.cache.registry or CacheRegistry()).model_copy(update={"read_only": True})
    return spec.model_copy(update={"cache": spec.cache.model_copy(update={"registry": registry})})

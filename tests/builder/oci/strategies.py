"""Values for property tests."""

import hashlib
from types import MappingProxyType

from hypothesis import strategies as st

from yadokari_builder.oci.config import ContainerConfig, Healthcheck, History, ImageConfig
from yadokari_builder.oci.descriptor import Descriptor
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference, Repository
from yadokari_builder.oci.timestamp import format_time

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
some_texts = st.lists(texts, max_size=3).map(tuple)
arguments = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
none_or_some = st.none() | st.lists(arguments, min_size=1, max_size=3).map(tuple)
sorted_sets = st.sets(texts, max_size=3).map(sorted).map(tuple)
maps = st.dictionaries(texts, texts, max_size=3).map(MappingProxyType)
integers = st.integers(-(2**63), 2**63 - 1)
times = st.none() | st.integers(-60_000_000_000 * 10**9, 250_000_000_000 * 10**9).map(format_time)

digests = st.builds(
    lambda algorithm, content: Digest(algorithm, hashlib.new(algorithm, content).hexdigest()),
    st.sampled_from(["sha256", "sha512"]),
    st.binary(max_size=4),
)
platforms = st.builds(Platform, texts, texts, texts, texts, some_texts)
descriptors = st.builds(
    Descriptor, texts, digests, st.integers(0, 2**63 - 1), maps, st.none() | platforms, some_texts
)
container_configs = st.builds(
    ContainerConfig,
    user=arguments,
    exposed_ports=sorted_sets,
    env=st.lists(arguments, max_size=3).map(tuple),
    entrypoint=none_or_some,
    cmd=none_or_some,
    volumes=sorted_sets,
    working_dir=arguments,
    labels=maps,
    stop_signal=texts,
    args_escaped=st.booleans(),
    healthcheck=st.none()
    | st.builds(Healthcheck, some_texts, integers, integers, integers, integers, integers),
    on_build=some_texts,
    shell=none_or_some,
    stop_timeout=st.none() | integers,
)
histories = st.builds(
    History, created=times, created_by=texts, comment=texts, author=texts, empty_layer=st.booleans()
)
image_configs = st.builds(
    ImageConfig,
    platform=platforms,
    created=times,
    author=texts,
    config=container_configs,
    diff_ids=st.lists(digests, max_size=3).map(tuple),
    history=st.lists(histories, max_size=3).map(tuple),
)
registries = st.sampled_from(
    ["docker.io", "localhost", "localhost:5000", "r.example", "R", "a-b.c:1", "[::1]:5000", "[fe80::1]"]
)
repositories = st.lists(
    st.sampled_from(["a", "library", "localhost", "a.b", "a_b", "a__b", "a--b", "0"]), min_size=2, max_size=4
).map("/".join)
tags = st.text("aZ0_.-", min_size=1, max_size=8).filter(lambda tag: tag[0] not in ".-")
references = st.builds(
    Reference, st.builds(Repository, registries, repositories), st.none() | tags, st.none() | digests
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)

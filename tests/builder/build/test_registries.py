from yadokari_builder.build.registries import open_registries
from yadokari_contract.spec import BuildSpec


def test_a_mirror_may_be_one_over_plain_http() -> None:
    spec = BuildSpec(registry_mirrors=("one.example/cache", "http://three.example:5000"))
    registries = open_registries(spec, {"DOCKER_CONFIG": "/nowhere"})
    assert registries.mirrors.by_registry == {"docker.io": ("one.example/cache", "three.example:5000")}

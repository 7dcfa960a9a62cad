from yadokari_builder.build.registries import open_registries
from yadokari_contract.spec import BuildSpec


def test_mirrors_come_from_flags_and_then_from_kanikos_variable() -> None:
    spec = BuildSpec(registry_mirrors=("one.example/cache",))
    environment = {
        "KANIKO_REGISTRY_MIRROR": "two.example,http://three.example:5000",
        "DOCKER_CONFIG": "/nowhere",
    }
    registries = open_registries(spec, environment)
    hub = ("one.example/cache", "two.example", "three.example:5000")
    assert registries.mirrors.by_registry == {"docker.io": hub}

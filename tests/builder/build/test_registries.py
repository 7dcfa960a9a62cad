import base64
import json
from pathlib import Path

import pytest

from yadokari_builder.build.registries import open_registries, read_credentials
from yadokari_builder.errors import UsageError
from yadokari_contract.spec import BuildSpec


def config(**users: str) -> str:
    auths = {
        host.replace("_", "."): {"auth": base64.b64encode(f"{user}:secret".encode()).decode()}
        for host, user in users.items()
    }
    return json.dumps({"auths": auths})


def user_for(environment: dict[str, str], registry: str) -> str | None:
    found = read_credentials(environment).find(registry, "team/app")
    return found.username if found else None


def test_credentials_of_several_variables_are_merged_and_the_first_counts() -> None:
    environment = {
        "DOCKER_CONFIG": "/nowhere",
        "DOCKER_AUTH_CONFIG_10": config(a_example="tenth", c_example="tenth"),
        "DOCKER_AUTH_CONFIG_2": config(a_example="second", b_example="second"),
        "DOCKER_AUTH_CONFIG": config(a_example="first"),
    }
    assert [user_for(environment, f"{name}.example") for name in "abc"] == ["first", "second", "tenth"]


def test_a_config_file_is_read_as_kaniko_reads_it(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config(a_example="file", b_example="file"))
    environment = {"DOCKER_CONFIG": str(tmp_path), "DOCKER_AUTH_CONFIG": config(a_example="variable")}
    assert user_for(environment, "a.example") == "variable"
    assert user_for(environment, "b.example") == "file"


def test_credentials_that_are_no_json_are_named_and_not_shown() -> None:
    with pytest.raises(UsageError, match="DOCKER_AUTH_CONFIG") as caught:
        read_credentials({"DOCKER_AUTH_CONFIG": "hunter2", "DOCKER_CONFIG": "/nowhere"})
    assert "hunter2" not in str(caught.value)


def test_mirrors_come_from_flags_and_then_from_kanikos_variable() -> None:
    spec = BuildSpec(registry_mirrors=("one.example/cache",))
    environment = {
        "KANIKO_REGISTRY_MIRROR": "two.example,http://three.example:5000",
        "DOCKER_CONFIG": "/nowhere",
    }
    registries = open_registries(spec, environment)
    assert registries.mirrors == ("one.example/cache", "two.example", "three.example:5000")

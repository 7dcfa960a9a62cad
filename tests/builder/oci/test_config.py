import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.oci.strategies import image_configs, json_values
from yadokari_builder.errors import ImageInvalidError
from yadokari_builder.oci.config import ContainerConfig, Healthcheck, History, ImageConfig
from yadokari_builder.oci.digest import Digest
from yadokari_builder.oci.platform import Platform

FIELDS = {
    "": ["architecture", "os", "os.features", "variant", "created", "author", "config", "rootfs", "history"],
    "config": ["User", "Env", "Cmd", "ExposedPorts", "Labels", "Healthcheck", "ArgsEscaped", "StopTimeout"],
    "rootfs": ["type", "diff_ids"],
}


@given(image_configs)
def test_a_config_is_read_as_it_was_written(config: ImageConfig) -> None:
    assert ImageConfig.parse(config.format()) == config


def test_a_config_is_written_as_buildkit_writes_it() -> None:
    config = ImageConfig(
        platform=Platform("linux", "arm64", "v8"),
        created="2024-05-01T12:00:00.5Z",
        author="me",
        config=ContainerConfig(
            user="1000",
            exposed_ports=("80/tcp", "443/tcp"),
            env=("A=<b> & c", "É=ü"),
            entrypoint=("/e",),
            cmd=("c",),
            volumes=("/v",),
            working_dir="/w",
            labels={"b": "2", "a": "1"},
            stop_signal="SIGQUIT",
            healthcheck=Healthcheck(("CMD", "true"), interval=10**9),
            on_build=("RUN x",),
            shell=("/bin/bash", "-c"),
        ),
        diff_ids=(Digest("sha256", "0" * 64),),
        history=(
            History(created="2024-05-01T12:00:00Z", created_by="RUN x", comment="buildkit.dockerfile.v0"),
            History(created_by="CMD", empty_layer=True),
        ),
    )
    assert config.format().decode() == (
        '{"architecture":"arm64","author":"me",'
        '"config":{"User":"1000","ExposedPorts":{"443/tcp":{},"80/tcp":{}},'
        '"Env":["A=\\u003cb\\u003e \\u0026 c","É=ü"],"Entrypoint":["/e"],"Cmd":["c"],"Volumes":{"/v":{}},'
        '"WorkingDir":"/w","Labels":{"a":"1","b":"2"},"StopSignal":"SIGQUIT",'
        '"Healthcheck":{"Test":["CMD","true"],"Interval":1000000000},"OnBuild":["RUN x"],'
        '"Shell":["/bin/bash","-c"]},"created":"2024-05-01T12:00:00.5Z",'
        '"history":[{"created":"2024-05-01T12:00:00Z","created_by":"RUN x",'
        '"comment":"buildkit.dockerfile.v0"},'
        '{"created_by":"CMD","empty_layer":true}],"os":"linux",'
        f'"rootfs":{{"type":"layers","diff_ids":["sha256:{"0" * 64}"]}},"variant":"v8"}}'
    )


def test_dockers_own_config_is_read_and_what_buildkit_drops_is_dropped() -> None:
    text = """{
      "architecture": "amd64", "os": "linux", "docker_version": "20.10.7", "container": "abc",
      "container_config": {"Cmd": ["x"]}, "created": "2021-10-12T01:20:30.654321000Z",
      "config": {"Hostname": "", "AttachStdin": false, "Env": null, "Cmd": ["bash"], "Image": "sha256:x",
                 "Volumes": null, "Labels": null, "Entrypoint": [], "OnBuild": null, "StopTimeout": 0},
      "rootfs": {"type": "layers", "diff_ids": null}, "history": null
    }"""
    assert ImageConfig.parse(text.encode()) == ImageConfig(
        platform=Platform("linux", "amd64"),
        created="2021-10-12T01:20:30.654321Z",
        config=ContainerConfig(cmd=("bash",), stop_timeout=0),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "image config is not JSON"),
        ("[]", "image config is a list: an object is wanted"),
        ("[" * 100_000, "nested too deeply"),
        ("NaN", "NaN is not a JSON value"),
        ('{"created": 1}', "image config: created is an integer: a string is wanted"),
        ('{"created": "yesterday"}', "image config: created is wrong: time 'yesterday'"),
        ('{"config": {"Env": "A=b"}}', "image config: config: Env is a string: a list is wanted"),
        ('{"config": {"Env": ["A=b", 1]}}', r"config: Env\[1\] is an integer: a string is wanted"),
        ('{"config": {"Labels": {"a": []}}}', "config: Labels: a is a list: a string is wanted"),
        ('{"config": {"ArgsEscaped": 1}}', "config: ArgsEscaped is an integer: true or false is wanted"),
        ('{"config": {"Healthcheck": {"Interval": 1e3}}}', "Healthcheck: Interval is a number: an integer"),
        ('{"config": {"Healthcheck": {"Retries": 99999999999999999999}}}', "Retries is out of range"),
        ('{"history": [{}, {"created_by": {}}]}', r"history\[1\]: created_by is an object: a string"),
        ('{"rootfs": {"type": "windows"}}', "rootfs: type is 'windows': only layers are known"),
        ('{"rootfs": {"diff_ids": ["md5:00"]}}', "digest 'md5:00': the algorithm is not sha256 or sha512"),
        ('{"config": {"Env": [' + "1" * 5000 + "]}}", "image config is not JSON"),
    ],
)
def test_a_hostile_config_is_refused_with_what_and_where(text: str, message: str) -> None:
    with pytest.raises(ImageInvalidError, match=message):
        ImageConfig.parse(text.encode())


@given(st.sampled_from([(part, name) for part in FIELDS for name in FIELDS[part]]), json_values)
def test_any_value_in_any_field_is_read_or_refused(place: tuple[str, str], value: object) -> None:
    part, name = place
    data: dict[str, Any] = {part: {name: value}} if part else {name: value}
    try:
        config = ImageConfig.parse(json.dumps(data).encode())
    except ImageInvalidError as error:
        assert name in str(error) or "digest" in str(error)  # noqa: PT017
    else:
        assert ImageConfig.parse(config.format()) == config


def test_bytes_that_are_no_text_are_replaced_as_go_does() -> None:
    config = ImageConfig.parse(b'{"author": "a\xff\\ud800b"}')
    assert config.author == "a\ufffd\ufffdb"
    assert ImageConfig.parse(config.format()) == config


def test_bytes_that_are_no_text_are_written_as_go_does() -> None:
    config = ImageConfig(
        platform=Platform("linux", "amd64"), config=ContainerConfig(cmd=("a\udce9", "\ud800"))
    )
    assert ImageConfig.parse(config.format()).config.cmd == ("a\ufffd", "\ufffd")

import pytest

from yadokari_builder.dockerfile.instructions import Mount
from yadokari_builder.dockerfile.location import LanguageError
from yadokari_builder.dockerfile.mounts import parse_device, parse_mount, parse_mount_source


def read(text: str) -> Mount:
    return parse_mount(text, lambda value: value.replace("$x", "value"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("target=/a", Mount(target="/a")),
        ("dst=/a,src=b,from=c,rw", Mount(target="/a", source="b", from_="c", readonly=False)),
        ("destination=/a,ro=false", Mount(target="/a", readonly=False)),
        ("TYPE=Cache,target=$x", Mount("cache", "value", readonly=False)),
        (
            "type=cache,target=/a,id=b,sharing=Locked,uid=1,gid=2,mode=0750,readonly",
            Mount("cache", "/a", id="b", sharing="locked", uid=1, gid=2, mode=0o750),
        ),
        ("type=tmpfs,target=/a,size=1.5k", Mount("tmpfs", "/a", readonly=False, size=1536)),
        ("type=secret,id=a,env=B,required", Mount("secret", id="a", env="B", required=True)),
        ("type=secret,id=a,required=false", Mount("secret", id="a")),
        ("type=ssh,mode=600", Mount("ssh", mode=0o600)),
        ('type=bind,"target=/a,b"', Mount(target="/a,b")),
    ],
)
def test_mounts_are_read(text: str, expected: Mount) -> None:
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "failed to parse csv mounts: EOF"),
        ('a"b', 'failed to parse csv mounts: parse error: bare " in non-quoted-field'),
        ('"a"b', 'failed to parse csv mounts: parse error: extraneous or missing " in quoted-field'),
        ("type=tmp", 'unsupported mount type "tmp" (did you mean tmpfs?)'),
        ("type=volume", 'unsupported mount type "volume"'),
        ("tagret=/a", "unexpected key 'tagret' in 'tagret=/a' (did you mean target?)"),
        ("type=cache,sharing=all", 'unsupported sharing value "all"'),
        ("type=bind,sharing=shared", "invalid cache sharing set for bind mount"),
        ("type=bind,required", "unexpected key 'required' for mount type 'bind'"),
        ("type=cache,size=1", "unexpected key 'size' for mount type 'cache'"),
        ("type=tmpfs,size=much", "invalid value for size: much"),
        ("type=cache,mode=9", "invalid value 9 for mode"),
        ("type=cache,uid=-1", "invalid value -1 for uid"),
        ("type=bind,uid=1", 'uid not allowed for "bind" type mounts'),
        ("ro=maybe", "invalid value for ro: maybe"),
        ("target", "invalid field 'target' must be a key=value pair"),
        ("type=secret", "invalid secret mount. one of source, target required"),
        ("type=secret,id=a,source=b", "both source and id can't be set"),
        ("type=secret,id=a,from=b", "secret mount should not have a from"),
    ],
)
def test_wrong_mounts_are_refused_in_buildkits_words(text: str, message: str) -> None:
    with pytest.raises(LanguageError) as refused:
        read(text)
    assert refused.value.message == message


def test_before_variables_are_known_only_the_source_of_a_mount_is_read() -> None:
    assert parse_mount_source("type=$t,from=a,what=ever") == Mount(from_="a")
    assert parse_mount_source("type=cache,target=/a").from_ == ""


def test_devices_are_read() -> None:
    device = parse_device("name=vendor/class=x,required=true")
    assert (device.name, device.required) == ("vendor/class=x", True)
    with pytest.raises(LanguageError, match="device name already set to a"):
        parse_device("a,name=b")
    with pytest.raises(LanguageError, match=r"'requird' in 'requird=1' .did you mean required"):
        parse_device("a,requird=1")

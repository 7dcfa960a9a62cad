"""Whatever a Dockerfile says, what comes of it is a plan, or an error that names a line."""

from hypothesis import given, settings
from hypothesis import strategies as st

from builder.plan.planning import drafted, image
from yadokari_builder.oci.config import ContainerConfig
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.plan.telling.dryrun import as_json, as_text
from yadokari_builder.registry.pull import PulledImage

ODD = [
    *("", "a", "$X", "${X:?}", "${X", "'", '"', "[", "[]", "]", "\\", "{", "/", "//", "..", ".", "/./", "*"),
    *("!", "a b", "a,b", "a=b", "=", ":", "@", "-", "--", "0", "-1", "999", "99999999999", "é", "\x85"),
    *("http://h/a", "https://[::1", "https://h/%zz", "https://h/%00", "https://h/p.git?a=b#c:d", "git@h:p"),
    *("ssh://h/p.git", "github.com/a/b", "<<E", "<<-'E'", "sha256:0", f"sha256:{'0' * 64}", "linux/arm64"),
    *("true", "u=rwX", "scratch", "s0", "s1", "S1", "UPPER/x", "/UPPER", "x" * 300, "${A#*a}", "80-70/tcp"),
]
MOUNT_KEYS = ["type", "target", "source", "from", "id", "env", "mode", "uid", "size", "sharing", "ro"]
MOUNT_TYPES = ["cache", "bind", "tmpfs", "secret", "ssh"]
KEYWORDS = [
    *("ARG", "ENV", "LABEL", "EXPOSE", "USER", "WORKDIR", "VOLUME", "SHELL", "CMD", "ENTRYPOINT", "RUN"),
    *("STOPSIGNAL", "HEALTHCHECK", "HEALTHCHECK CMD", "MAINTAINER", "COPY", "ADD", "NOTHING", "#", "E", ""),
]
COPY_FLAGS = ["from", "chown", "chmod", "exclude", "link", "parents"]
ADD_FLAGS = ["checksum", "chmod", "keep-git-dir", "unpack", "exclude", "link"]

WORD = st.sampled_from(ODD)
WORDS = st.lists(WORD, max_size=3).map(" ".join)


def joined(*parts: str | st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*(st.just(part) if isinstance(part, str) else part for part in parts)).map(" ".join)


def flags(names: list[str]) -> st.SearchStrategy[str]:
    flag = st.tuples(st.sampled_from(names), WORD).map(lambda pair: f"--{pair[0]}={pair[1]}")
    return st.lists(flag, max_size=2).map(" ".join)


FIELD = st.tuples(st.sampled_from(MOUNT_KEYS), st.one_of(WORD, st.sampled_from(MOUNT_TYPES))).map("=".join)
MOUNT = st.lists(FIELD, max_size=4).map(lambda fields: f"--mount={','.join(fields)}")
LINE = st.one_of(
    joined("FROM", flags(["platform"]), WORD, st.sampled_from(["", "AS s0", "AS s1"])),
    joined("COPY", flags(COPY_FLAGS), WORDS, WORD),
    joined("ADD", flags(ADD_FLAGS), WORDS, WORD),
    joined("RUN", st.lists(MOUNT, max_size=2).map(" ".join), WORDS),
    joined(st.sampled_from(["", "ONBUILD"]), st.sampled_from(KEYWORDS), WORDS),
)


def any_image(reference: Reference, platform: Platform) -> PulledImage:
    config = ContainerConfig(env=("PATH=/bin", "A", "=", "A=b"), on_build=("RUN x",), working_dir="w")
    return image(reference, platform, config)


@given(st.lists(LINE, max_size=8), st.dictionaries(st.sampled_from(["X", "A", "http_proxy"]), WORD))
@settings(max_examples=150, deadline=None)
def test_it_is_planned_or_refused(lines: list[str], args: dict[str, str]) -> None:
    draft = drafted("\n".join(["FROM a AS s0", *lines]), args=args, find_image=any_image)
    assert as_text(draft)
    assert as_json(draft)
    assert draft.error.line if draft.error else draft.plan

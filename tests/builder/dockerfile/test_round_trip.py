import string

from hypothesis import given
from hypothesis import strategies as st

from support.written import written
from yadokari_builder.dockerfile.instructions import (
    Add,
    Arg,
    Cmd,
    Command,
    Copy,
    Device,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Heredoc,
    Instruction,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    StopSignal,
    User,
    Volume,
    Workdir,
)
from yadokari_builder.dockerfile.mounts import parse_mount_source
from yadokari_builder.dockerfile.reader import read_instruction
from yadokari_builder.dockerfile.tree import read_tree

NAMES = st.text(string.ascii_letters + string.digits + "_", min_size=1)
PLAIN = st.text(string.ascii_letters + "$/.:-é{}#", min_size=1)
WHOLE = PLAIN.filter(lambda text: "${" not in text)
"""For heredocs, which are not seen where a variable is unfinished."""

ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
"""For JSON, which can say every text; a NUL is in few instructions."""
FLAG = st.text(string.ascii_letters + " '\"\\$=,é\t")
LINE = st.text(string.ascii_letters + " '\"$[]&|;-", min_size=1).map(str.strip).filter(bool)
DURATIONS = st.just(0) | st.integers(1_000_000, 1 << 62)
SOURCES = st.lists(ANY.filter(lambda word: "<<" not in word), min_size=1).map(tuple)
TEXTS = st.lists(ANY).map(tuple)
CONTENTS = st.text(string.ascii_letters + " \n$\t'").map(lambda text: text + "\n")
PAIRS = st.lists(st.tuples(NAMES, PLAIN | st.just("")), min_size=1).map(tuple)
BOOLEANS = st.booleans()


def heredocs(*, chomp: bool) -> st.SearchStrategy[tuple[Heredoc, ...]]:
    """Heredocs named END1, END2..., which no content holds."""
    one = st.tuples(CONTENTS, BOOLEANS, BOOLEANS if chomp else st.just(False))
    return st.lists(one, min_size=1, max_size=3).map(
        lambda many: tuple(Heredoc(f"END{index}", *values) for index, values in enumerate(many))
    )


def as_command(files: tuple[Heredoc, ...]) -> Command:
    marks = (
        f"<<{'-' if file.chomp else ''}" + (file.name if file.expand else f"'{file.name}'") for file in files
    )
    return Command((f"cat {' '.join(marks)}",), shell=True, heredocs=files)


COMMANDS = (
    st.builds(Command, TEXTS, st.just(False))
    | LINE.filter(lambda text: text[0] not in "-[").map(lambda text: Command((text,), shell=True))
    | st.just(Command((), shell=True))
)
RUN_COMMANDS = COMMANDS | heredocs(chomp=True).map(as_command)
MOUNT_FLAGS = st.sampled_from(
    ["type=bind,from=a,target=/b", "type=cache,target=/a b", 'type=tmpfs,"target=/a,b"', "type=secret,id=$x"]
)


def run(command: Command, mounts: list[str], network: str, security: str, devices: list[Device]) -> Run:
    sources = tuple(map(parse_mount_source, mounts))
    return Run(command, tuple(mounts), sources, network, security, tuple(devices))


INSTRUCTIONS: st.SearchStrategy[Instruction] = st.one_of(
    st.builds(From, PLAIN, st.none() | st.from_regex(r"[a-z][a-z0-9_.-]*", fullmatch=True), FLAG),
    st.builds(Arg, st.lists(st.tuples(NAMES, st.none() | PLAIN | st.just("")), min_size=1).map(tuple)),
    st.builds(Env, PAIRS),
    st.builds(Label, PAIRS),
    st.builds(Env, st.tuples(st.tuples(NAMES, LINE)), st.just(True)),
    st.builds(
        Copy, SOURCES, ANY, st.just(()), FLAG, FLAG, FLAG, BOOLEANS, BOOLEANS,
        st.lists(FLAG.filter(bool)).map(tuple),
    ),
    st.builds(Copy, st.lists(WHOLE).map(tuple), WHOLE, heredocs(chomp=False)),
    st.builds(
        Add, SOURCES, ANY, st.just(()), FLAG, FLAG, BOOLEANS, st.lists(FLAG.filter(bool)).map(tuple), FLAG,
        st.none() | BOOLEANS, st.none() | BOOLEANS,
    ),
    st.builds(
        run, RUN_COMMANDS, st.lists(MOUNT_FLAGS), st.sampled_from(["default", "none", "host"]),
        st.sampled_from(["sandbox", "insecure"]),
        st.lists(st.builds(Device, st.sampled_from(["a/b=c", "a,b", 'a"b']), BOOLEANS)),
    ),
    st.builds(Cmd, COMMANDS),
    st.builds(Entrypoint, COMMANDS),
    st.builds(Shell, st.lists(ANY, min_size=1).map(tuple)),
    st.builds(User, LINE),
    st.builds(Workdir, LINE),
    st.builds(Volume, st.lists(ANY.map(str.strip).filter(bool), min_size=1).map(tuple)),
    st.builds(Expose, st.lists(PLAIN, min_size=1).map(sorted).map(tuple)),
    st.builds(StopSignal, LINE),
    st.builds(
        Healthcheck,
        TEXTS.filter(bool).map(lambda words: ("CMD", *words)) | LINE.map(lambda text: ("CMD-SHELL", text)),
        DURATIONS, DURATIONS, DURATIONS, DURATIONS, st.integers(0, (1 << 31) - 1),
    ),
    st.just(Healthcheck(("NONE",))),
    LINE.filter(lambda text: text[0] not in "-[").map(lambda text: Onbuild(f"RUN {text}")),
    st.builds(Maintainer, LINE),
)  # fmt: skip


@given(INSTRUCTIONS)
def test_an_instruction_that_is_written_is_read_as_the_same_again(instruction: Instruction) -> None:
    (node,) = read_tree(written(instruction)).nodes
    assert read_instruction(node) == instruction

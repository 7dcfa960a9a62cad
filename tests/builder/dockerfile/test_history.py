from yadokari_builder.dockerfile import history
from yadokari_builder.dockerfile.instructions import Add, Copy, Env, Healthcheck, Heredoc, Label


def test_run_names_the_arguments_before_the_command() -> None:
    argv = ("/bin/sh", "-c", "apt-get update")
    assert history.run(argv, (), {}) == "RUN /bin/sh -c apt-get update # buildkit"
    args = (("A", "1"), ("B", None), ("A", "2"))
    assert history.run(argv, args, {"A": "3"}) == "RUN |2 A=3 B= /bin/sh -c apt-get update # buildkit"


def test_copy_names_what_was_copied_and_few_flags() -> None:
    copy = Copy(("a", "b"), "/c", chown="1", chmod="2", parents=True, link=True, from_="x", exclude=("y",))
    assert history.copy(copy) == "COPY --parents --chown=1 --chmod=2 a b /c # buildkit"
    assert history.copy(Add(("a",), "/c", (Heredoc("F", ""),))) == "ADD a <<F /c # buildkit"


def test_settings_are_written_as_they_are() -> None:
    assert history.env(Env((("a", "b c"), ("d", "")))) == "ENV a=b c d="
    assert history.label(Label((("a", "b"),))) == "LABEL a=b"
    assert history.arg((("a", "1"), ("b", None))) == "ARG a=1 b"
    assert history.expose(("80/tcp", "81/tcp")) == "EXPOSE [80/tcp 81/tcp]"
    assert history.volume(("/a", "/b c")) == "VOLUME [/a /b c]"
    assert history.shell(("/bin/bash", "-c")) == "SHELL [/bin/bash -c]"
    assert history.workdir("/a") == "WORKDIR /a"


def test_command_lines_are_quoted() -> None:
    assert history.cmd(("/bin/sh", "-c", 'a "b"')) == 'CMD ["/bin/sh" "-c" "a \\"b\\""]'
    assert history.entrypoint(()) == "ENTRYPOINT []"


def test_a_health_check_is_written_as_a_go_struct() -> None:
    check = Healthcheck(("CMD", "a", "b"), interval=90_000_000_000, retries=3)
    assert history.healthcheck(check) == (
        "HEALTHCHECK {Test:[CMD a b] Interval:1m30s Timeout:0s StartPeriod:0s StartInterval:0s Retries:3}"
    )

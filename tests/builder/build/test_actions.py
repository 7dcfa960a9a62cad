"""Steps, performed one at a time in a root that is there already."""

import os
import shutil
import stat
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from support.registry import Registry
from support.site import Site
from yadokari_builder.build.performing import actions
from yadokari_builder.build.performing.actions import Workbench, files_of
from yadokari_builder.copy.destination import Written
from yadokari_builder.errors import DockerfileError, RunError
from yadokari_builder.plan.steps import CopyAction, RunAction, WorkdirAction
from yadokari_builder.rootfs.boundary import Boundary
from yadokari_builder.run.levels import Shared
from yadokari_builder.sources.tree import SourceTree

PASSWD = "root:x:0:0:root:/root:/bin/sh\nme:x:1000:1001::/home/me:/bin/sh\n"
GROUP = "root:x:0:\nmine:x:1001:\nothers:x:2000:me\n"


@dataclass(slots=True)
class Shop:
    """A root with a shell and two users, and what performs single steps in it."""

    site: Site
    output: list[bytes]
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.site.root

    @property
    def printed(self) -> str:
        return b"".join(self.output).decode()

    def do(self, lines: str, *, excluded: tuple[str, ...] = (), **fields: Any) -> Written | tuple[str, ...]:
        """Perform the last of the steps that stand in these lines."""
        opened = self.site.open(self.site.spec(f"FROM scratch\n{lines}\n", **fields), self.environment)
        kept = opened.bench.boundary.excluded | set(excluded)
        boundary = Boundary(self.root, frozenset(kept))
        level = opened.bench.level
        assert isinstance(level, Shared)
        level = replace(level, boundary=boundary)
        bench = replace(opened.bench, boundary=boundary, level=level, output=self.output.append)
        match opened.plan.target.steps[-1].action:
            case RunAction() as action:
                return actions.run(action, bench)
            case CopyAction() as action:
                return actions.copy(action, bench)
            case WorkdirAction() as action:
                return actions.make_workdir(action, bench)
        raise AssertionError("nothing is to be done")


@pytest.fixture
def shop(registry: Registry, tmp_path: Path) -> Shop:
    busybox = shutil.which("busybox")
    if os.geteuid() != 0 or not busybox:
        pytest.skip("needs root and busybox-static")
    root = tmp_path / "root"
    for folder in ("bin", "etc", "tmp"):
        (root / folder).mkdir(parents=True)
    shutil.copy(busybox, root / "bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    (root / "etc/passwd").write_text(PASSWD)
    (root / "etc/group").write_text(GROUP)
    return Shop(Site(tmp_path, registry.host), [])


def owner(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_uid, status.st_gid


def test_a_working_directory_is_made_with_what_is_above_it_and_belongs_to_the_user(shop: Shop) -> None:
    done = shop.do("USER me\nWORKDIR /a/b")
    assert done == Written(("/a", "/a/b"))
    assert [owner(shop.root / name) for name in ("a", "a/b")] == [(1000, 1001)] * 2
    assert stat.S_IMODE((shop.root / "a/b").stat().st_mode) == 0o755


def test_a_working_directory_that_is_there_stays_as_it_is(shop: Shop) -> None:
    (shop.root / "a").mkdir(mode=0o700)
    assert shop.do("USER me\nWORKDIR /a") == Written(())
    assert owner(shop.root / "a") == (0, 0)


def test_a_working_directory_behind_a_link_is_made_where_the_link_leads_within_the_root(shop: Shop) -> None:
    (shop.root / "link").symlink_to("/tmp")
    assert shop.do("WORKDIR /link/a") == Written(("/tmp/a",))
    assert (shop.root / "tmp/a").is_dir()


def test_a_working_directory_where_the_executor_is_goes_beside_the_root(shop: Shop) -> None:
    done = shop.do("WORKDIR /yadokari/a")
    assert isinstance(done, Written)
    assert [staged.path for staged in done.staged] == ["/yadokari", "/yadokari/a"]
    assert not (shop.root / "yadokari/a").exists()
    assert all(staged.file.is_dir() for staged in done.staged)


def test_copying_tells_what_it_wrote(shop: Shop) -> None:
    assert shop.do("WORKDIR /w\nCOPY --chown=me:mine Dockerfile a/") == Written(
        ("/w", "/w/a", "/w/a/Dockerfile")
    )
    assert owner(shop.root / "w/a/Dockerfile") == (1000, 1001)


def test_a_process_has_the_users_rights_home_and_groups(shop: Shop) -> None:
    shop.do("USER me\nRUN busybox id -u; busybox id -G; echo $HOME $PATH; busybox pwd")
    uid, groups, variables, place = shop.printed.splitlines()
    assert (uid, sorted(groups.split()), place) == ("1000", ["1001", "2000"], "/")
    assert variables == "/home/me /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def test_a_process_sees_the_stages_variables_and_arguments_and_none_of_the_executors(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", "secret")
    shop.do(
        "ARG given\nENV A=b\nWORKDIR /tmp\nRUN echo $given $A; busybox pwd; busybox env",
        build_args={"given": "x"},
    )
    assert shop.printed.splitlines()[:2] == ["x b", "/tmp"]
    assert "secret" not in shop.printed


def test_a_script_of_its_own_runs_and_is_gone(shop: Shop) -> None:
    shop.do("RUN <<EOF\n#!/bin/sh\necho $0 $#\nEOF")
    assert shop.printed == "/dev/pipes/EOF 0\n"
    assert not (shop.root / "dev").exists()


def test_mounts_are_there_while_a_process_runs_and_what_they_disturb_is_told(shop: Shop) -> None:
    disturbed = shop.do(
        "RUN --mount=type=bind,source=Dockerfile,target=/etc/passwd echo $(busybox wc -l < /etc/passwd)"
    )
    assert shop.printed == "2\n"
    assert (shop.root / "etc/passwd").read_text() == PASSWD
    assert disturbed == ("/", "/etc", "/etc/passwd")


def test_a_secret_comes_as_file_or_variable_and_stays_nowhere(shop: Shop) -> None:
    (shop.site.folder / "secret").write_text("hush")
    shop.do(
        "RUN --mount=type=secret,id=s --mount=type=secret,id=s,env=S echo $(busybox cat /run/secrets/s) $S",
        secrets=(f"id=s,src={shop.site.folder}/secret",),
    )
    assert shop.printed == "hush hush\n"
    assert not (shop.root / "run").exists()


def test_what_a_process_writes_to_the_kubelets_files_is_undone(shop: Shop) -> None:
    (shop.root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (shop.root / "etc/hostname").write_text("mine\n")
    shop.do(
        "RUN echo x > /etc/hosts; echo y > /etc/hostname; busybox cat /etc/hosts", excluded=("/etc/hosts",)
    )
    assert shop.printed == "x\n"
    assert (shop.root / "etc/hosts").read_text() == "127.0.0.1 localhost\n"
    assert (shop.root / "etc/hostname").read_text() == "y\n", "it is no mount and the image's own"


def test_a_process_that_fails_says_how_and_leaves_no_mount(shop: Shop) -> None:
    with pytest.raises(RunError, match="exit code: 3") as caught:
        shop.do("RUN --mount=type=tmpfs,target=/scratch echo last words; exit 3")
    assert (caught.value.status, caught.value.log_tail) == (3, "last words")
    assert not (shop.root / "scratch").exists()


def test_a_user_whom_nobody_knows_runs_nothing(shop: Shop) -> None:
    with pytest.raises(DockerfileError, match="unable to find user stranger"):
        shop.do("USER stranger\nRUN echo run")
    assert shop.printed == ""


@pytest.mark.parametrize(("path", "below"), [("/file", ""), ("/folder", "file")])
def test_files_of_a_tree_come_to_any_place_under_any_name(path: str, below: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "folder").mkdir(parents=True)
    for name in ("file", "folder/file"):
        (tree / name).write_text(name)
    files_of(SourceTree(tree), path)(str(tmp_path / "place"))
    assert (tmp_path / "place" / below).read_text() == f"{path}/{below}".strip("/")


def test_a_bench_is_of_one_root(shop: Shop) -> None:
    bench: Workbench = shop.site.open(shop.site.spec("FROM scratch\nCMD x\n")).bench
    assert bench.boundary.root == shop.root
    assert bench.boundary.is_excluded(f"/{bench.shelter.resolve().relative_to(shop.root)}")
    assert bench.boundary.is_excluded(f"/{bench.staging.resolve().relative_to(shop.root)}")


def authority(word: str) -> str:
    return f"-----BEGIN CERTIFICATE-----\n{word}\n-----END CERTIFICATE-----"


def trusting(shop: Shop, lines: str) -> str:
    """Run a step that is to trust an authority of the executor's; tells what it printed."""
    given = shop.root.parent / "given.pem"
    given.write_text(authority("given"))
    shop.environment = {"SSL_CERT_FILE": str(given)}
    shop.do(lines, certificates_in_steps=True)
    return shop.printed


def test_a_step_finds_certificates_of_the_executor_and_the_image_where_variables_say(shop: Shop) -> None:
    bundle = shop.root / "etc/ssl/certs/ca-certificates.crt"
    bundle.parent.mkdir(parents=True)
    bundle.write_text(f"of the image\n{authority('own')}\n")
    names = "$SSL_CERT_FILE $CURL_CA_BUNDLE $NODE_EXTRA_CA_CERTS"
    told = trusting(shop, f"USER me\nRUN echo {names}; busybox cat $SSL_CERT_FILE")
    file = "/run/yadokari/certificates.pem"
    assert told == f"{file} {file} {file}\n{authority('own')}\n{authority('given')}\n"
    assert not (shop.root / "run").exists()


def test_steps_do_not_get_certificates_unless_they_are_to(shop: Shop) -> None:
    shop.do("RUN echo ${SSL_CERT_FILE-none}; [ ! -e /run/yadokari ]")
    assert shop.printed == "none\n"


def test_a_variable_of_the_image_stays_what_it_is(shop: Shop) -> None:
    assert trusting(shop, "ENV SSL_CERT_FILE=/mine\nRUN echo $SSL_CERT_FILE $PIP_CERT") == (
        "/mine /run/yadokari/certificates.pem\n"
    )


def test_a_step_may_replace_the_bundle_of_the_image(shop: Shop) -> None:
    (shop.root / "etc/ssl/certs").mkdir(parents=True)
    bundle = shop.root / "etc/ssl/certs/ca-certificates.crt"
    bundle.write_text(authority("old"))
    trusting(shop, f"RUN echo new > /tmp/new && busybox mv /tmp/new /{bundle.relative_to(shop.root)}")
    assert bundle.read_text() == "new\n"


@pytest.mark.parametrize("link", ["/yadokari/key.pem", "cert.pem", "/dev/zero", "/etc"])
def test_a_bundle_that_is_none_of_the_image_is_left_out(shop: Shop, link: str) -> None:
    (shop.root / "yadokari").mkdir()
    (shop.root / "yadokari/key.pem").write_text(authority("of the executor"))
    (shop.root / "dev").mkdir(exist_ok=True)
    (shop.root / "dev/zero").touch()
    (shop.root / "etc/ssl").mkdir()
    (shop.root / "etc/ssl/cert.pem").symlink_to(link)
    assert trusting(shop, "RUN busybox cat $SSL_CERT_FILE") == f"{authority('given')}\n"

"""Nothing is imported after the first RUN: a step may write wherever the interpreter would look."""

import ast
import gzip
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from support.gate import Passed, Spoiled, running_gate
from support.git import WHY_NO_GIT, git, make_repository
from support.handmade import make_image
from support.hostile import hostile_server, saying
from support.registry import PASSWORD, USER, make_certificate, running_registry
from support.tokens import TokenServer, make_token_keys, running_token_server, serving
from yadokari_builder.build.registries import open_registries
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.push import Pusher
from yadokari_contract.spec import BuildSpec

pytestmark = pytest.mark.long

# fmt: off
NEVER_REACHED = frozenset({
    # Other systems' own.
    "nt", "_winapi", "_winreg", "winreg", "encodings.mbcs", "java.lang", "vms_lib", "plistlib", "msvcrt",
    "pywintypes", "win32api", "nturl2path", "ctypes.wintypes",
    # For people at a prompt, for debugging, and for modules run as programs.
    "argparse", "getopt", "getpass", "doctest", "pydoc", "py_compile", "readline", "rlcompleter", "gc",
    "_tokenize",
    # At the interpreter's start alone.
    "sitecustomize", "usercustomize",
    # For features that nothing of ours asks for, or tried in vain without harm (idna, tracemalloc).
    "_md5", "_sha1", "_sha256", "_sha3", "concurrent.futures.process", "ftplib", "http.cookiejar", "idna",
    "importlib.readers", "multiprocessing", "pickle", "statistics", "tracemalloc",
    "urllib3.http2.connection",
    # What dulwich does with repositories that have a history, a work tree or settings.
    "dulwich.attrs", "dulwich.bitmap", "dulwich.diff_tree", "dulwich.filters", "dulwich.gc", "dulwich.notes",
    "dulwich.object_filters", "dulwich.rebase", "dulwich.reftable", "dulwich.signature",
    "dulwich.sparse_patterns", "dulwich.submodule", "dulwich.walk", "glob",
    # Loaded for those builds alone that add git repositories, or whose context is one or in a bucket.
    "yadokari_builder.sources.git", "yadokari_builder.sources.repository",
    "yadokari_builder.sources.bucket.open",
    # Loaded before the first step where traces are sent.
    "yadokari_builder.command.tracing",
})
# fmt: on

INDENTED_IMPORT = re.compile(rb"^[ \t].*\bimport\b", re.MULTILINE)

LOADED = """
import json, sys
import yadokari_builder.build.session
from yadokari_builder.run.protection import GIT_MODULES, LATE_MODULES, preload_modules
preload_modules(modules=(*LATE_MODULES, *GIT_MODULES) if sys.argv[1] == "git" else LATE_MODULES)
print(json.dumps({name: getattr(module, "__file__", None) for name, module in sys.modules.items()}))
"""


def python(script: str, *arguments: str) -> str:
    """Run a script with no more environment than an executor has."""
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def imported_late(name: str, path: Path) -> Iterator[str]:
    """List what the functions of a module import."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    text = path.read_bytes()
    if not INDENTED_IMPORT.search(text):
        return
    for function in ast.walk(ast.parse(text)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    yield from (alias.name for alias in node.names)
                elif isinstance(node, ast.ImportFrom):
                    above = (
                        package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
                    )
                    yield ".".join(filter(None, [*above, node.module]))


@pytest.mark.parametrize("kind", ["git", "other"])
def test_whatever_a_function_of_a_loaded_module_imports_is_loaded(kind: str) -> None:
    loaded: dict[str, str | None] = json.loads(python(LOADED, kind))
    missing = {
        f"{late} (by {name})"
        for name, path in loaded.items()
        if path and path.endswith(".py")
        for late in imported_late(name, Path(path))
        if late not in loaded and late not in NEVER_REACHED
    }
    assert not missing


WORK = """
import io, json, logging, sys, traceback
from pathlib import Path
from yadokari_builder.errors import BuilderError
from yadokari_builder.build.registries import open_registries
from yadokari_builder.run.protection import GIT_MODULES, LATE_MODULES, preload_modules
from yadokari_builder.registry.http.retry import RetryPolicy
from yadokari_contract.spec import BuildSpec

todo = json.loads(sys.argv[1])
registries = open_registries(
    BuildSpec(insecure_registries=tuple(todo["plain"]), registry_mirrors=(todo["mirror"],)),
    todo["environment"],
)
for client in (registries.pulling, registries.pushing):
    client.retry = RetryPolicy(attempts=3, first_delay=0.01)
web = registries.network.pools()
registries.freeze([], [])
preload_modules(**todo["preload"] or {"modules": (*LATE_MODULES, *GIT_MODULES)})

refused = []
class Refusing:
    def find_spec(self, name, path=None, target=None):
        refused.append(name)
        raise ImportError(f"{name} is imported late")
sys.meta_path.append(Refusing())
before = set(sys.modules)

logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
folder = Path(todo["folder"])

class Local:
    # A layer, made or still being made, whose blob is in memory.
    repository = None
    def __init__(self, layer, data):
        self.layer, self.data = layer, data
    def open(self):
        return io.BytesIO(self.data)
    def descriptor(self):
        return self.layer.descriptor
    def has_become(self, digest):
        return digest == self.layer.descriptor.digest

def work():
    from yadokari_builder.dockerfile.gitref import parse_git_ref
    from yadokari_builder.layers.allowance import Allowance
    from yadokari_builder.sources.web import download
    from yadokari_builder.oci.platform import Platform
    from yadokari_builder.oci.reference import Reference
    from yadokari_builder.registry.pull import Puller
    from yadokari_builder.registry.push import Pusher

    def pull(name):
        return Puller(registries.pulling, registries.mirrors).resolve(
            Reference.parse(name), Platform("linux", "amd64"))

    def push(image, layers, growing, *names):
        with Pusher(registries.pushing, map(Reference.parse, names)) as pusher:
            pusher.check()
            if growing:
                pusher.begin_layer(growing)
            for layer in layers:
                pusher.add_layer(layer)
            pusher.finish(image)

    for host in todo["registries"]:
        base = pull(f"{host}/team/base")
        push(base.image, base.layers, None, f"{host}/team/app:mounted", f"{host}/team/app2:mounted")
        files = []
        for layer in base.layers:
            with layer.open() as blob:
                files.append(Local(layer.layer, blob.read()))
        push(base.image, files, files[0] if host in todo["chunks"] else None, f"{host}/team/app3:uploaded")
        assert pull(f"{host}/team/app3:uploaded").image == base.image
    assert pull("debian").layers
    for name in todo["refused"]:
        for action in (lambda: pull(name), lambda: push(base.image, base.layers, None, name)):
            try:
                action()
            except BuilderError as error:
                logging.getLogger("x").debug("%s", error, exc_info=True)
            else:
                raise AssertionError(f"{name} was not refused")
    for url in todo["urls"]:
        place = folder / f"web{len(list(folder.iterdir()))}"
        place.mkdir()
        try:
            download(url, place, web, None, Allowance(place))
        except BuilderError as error:
            logging.getLogger("x").debug("%s", error, exc_info=True)
    for url in todo["repositories"]:
        from yadokari_builder.sources.git import GitSource
        from yadokari_builder.sources.ssh.access import read_access
        ssh = read_access(todo["environment"], "", registries.network.dial, Path("/nowhere"))
        out, scratch = folder / f"out{len(list(folder.iterdir()))}", folder / "scratch"
        out.mkdir()
        scratch.mkdir(exist_ok=True)
        try:
            GitSource(web, scratch, ssh).check_out(parse_git_ref(url), out, keep_git_dir=True)
        except BuilderError as error:
            logging.getLogger("x").debug("%s", error, exc_info=True)

try:
    work()
    failure = ""
except BaseException:
    failure = traceback.format_exc()
print(json.dumps({"refused": refused, "new": sorted(set(sys.modules) - before), "failure": failure}))
"""


TEAM = ("team/base", "team/app", "team/app2", "team/app3")
THROTTLED = (
    b"HTTP/1.1 429 x\r\nRetry-After: Wed, 21 Oct 2099 07:28:00 GMT\r\n\r\n"
    b'{"errors":[{"code":"TOOMANYREQUESTS","message":"\xc3\xbc"}]}'
)
GZIPPED = (
    b"HTTP/1.1 200 OK\r\nLast-Modified: Wed, 21 Oct 2015 07:28:00 GMT\r\nContent-Encoding: gzip\r\n"
    b"Set-Cookie: a=b\r\nContent-Type: text/html; charset=latin-1\r\n\r\n" + gzip.compress(b"text")
)


def trouble(storage: str) -> Callable[[Passed], Spoiled | None]:
    """Spoil a registry's first answers of each kind, and have `storage` give the blobs."""
    seen: Counter[str] = Counter()

    def spoil(request: Passed) -> Spoiled | None:
        kind = f"{request.method} {request.path.rstrip('/').split('/')[-2]}"
        seen[kind] += 1
        match kind, seen[kind]:
            case "GET manifests", 1:
                return Spoiled(503, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})
            case "GET blobs", 2:
                return Spoiled(cut=10)
            case "GET blobs", number if number > 3:
                return Spoiled(307, {"Location": f"http://{storage}{request.path}"})
            case "PUT uploads", 1:
                return Spoiled(413)
        return None

    return spoil


@contextmanager
def static_server(folder: Path) -> Iterator[str]:
    """Serve a repository as dumb files; gives the URL."""
    (folder / "project").mkdir(parents=True)
    (folder / "project/file").write_text("text")
    repository = make_repository(folder / "project")
    git(folder, "clone", "-q", "--bare", str(repository), "project.git")
    git(folder / "project.git", "update-server-info")

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def do_GET(self) -> None:
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/project.git/HEAD")
                self.end_headers()
                return
            super().do_GET()

        def log_message(self, *_: object) -> None:
            return

    with serving(Handler) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def todo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Registries, servers and repositories with every kind of access and trouble, for the script above."""
    folder = tmp_path_factory.mktemp("late")
    certificate, strangers = make_certificate(folder / "own"), make_certificate(folder / "stranger")
    passwords, identities = {(USER, PASSWORD): TEAM}, {"an identity token": TEAM}
    with ExitStack() as stack:
        use = stack.enter_context
        by_token = []
        for number in range(2):
            keys = make_token_keys(tmp_path_factory.mktemp("keys"))
            tokens = use(running_token_server(TokenServer(keys, passwords, identities)))
            by_token.append(use(running_registry(folder / f"tokens{number}", tokens=tokens)).host)
        plain = use(running_registry(folder / "plain")).host
        guarded = use(running_registry(folder / "guarded", passwords=True)).host
        secure = use(running_registry(folder / "secure", passwords=True, certificate=certificate)).host
        gate = use(running_gate(plain))
        untrusted = use(hostile_server(saying(b"HTTP/1.1 200 OK\r\n\r\n"), strangers))
        nonsense = use(hostile_server(saying(b"\0nonsense\r\n")))
        throttled = use(hostile_server(saying(THROTTLED)))
        gzipped = use(hostile_server(saying(GZIPPED)))
        web = use(static_server(folder / "web"))
        auths: dict[str, dict[str, str]] = {
            host: {"username": USER, "password": PASSWORD} for host in (guarded, secure, by_token[0])
        }
        auths[by_token[1]] = {"identitytoken": "an identity token"}
        nowhere = ("127.0.0.1:1", "nowhere.invalid")
        found = {
            "environment": {
                "DOCKER_CONFIG": "/nowhere",
                "DOCKER_AUTH_CONFIG": json.dumps({"auths": auths}),
                "SSL_CERT_FILE": str(certificate.authority),
            },
            "plain": [plain, guarded, *by_token, gate.host, nonsense, throttled, *nowhere],
            "mirror": f"http://{plain}",
            "chunks": [plain, secure],
            "registries": [plain, guarded, *by_token, secure, gate.host],
            "refused": [
                *(f"{host}/x" for host in (untrusted, nonsense, throttled, *nowhere)),
                f"{by_token[0]}/other/app:1",
                f"{plain}/team/base@sha256:{'0' * 64}",
            ],
            "urls": [
                *(f"{web}/{path}" for path in ("project.git/HEAD", "moved", "gone")),
                *(f"http://{host}/x" for host in (gzipped, nonsense, *nowhere)),
                *(f"https://{host}/x" for host in (untrusted, plain, "b\u00fccher.invalid")),
            ],
            "repositories": [f"{web}/project.git#main", f"{web}/gone.git", f"http://{nonsense}/x.git"],
        }
        push_bases(found, folder)
        gate.spoil = trouble(plain)
        yield found


def push_bases(todo: Mapping[str, Any], folder: Path) -> None:
    """Put an image into each registry, and into the mirror as `debian`."""
    made = make_image(folder / "image", {"a": bytes(range(256))}, {"b": b"2"})
    spec = BuildSpec(insecure_registries=tuple(todo["plain"]))
    registries = open_registries(spec, todo["environment"])
    names = [f"{host}/team/base" for host in todo["registries"]]
    mirrored = f"{todo['mirror'].removeprefix('http://')}/library/debian"
    for name in (*names, mirrored):
        with Pusher(registries.pushing, [Reference.parse(name)]) as pusher:
            for layer in made.layers:
                pusher.add_layer(layer)
            pusher.finish(made.image)


def worked(todo: Mapping[str, Any], folder: Path, preload: Mapping[str, Any]) -> dict[str, Any]:
    shown = python(WORK, json.dumps({**todo, "folder": str(folder), "preload": preload}))
    result: dict[str, Any] = json.loads(shown)
    return result


@pytest.mark.skipif(bool(WHY_NO_GIT), reason=WHY_NO_GIT)
def test_registries_the_web_and_git_need_no_further_module_whatever_comes(
    todo: Mapping[str, Any], tmp_path: Path
) -> None:
    result = worked(todo, tmp_path, {})
    assert result["failure"] == ""
    assert [path.read_text() for path in tmp_path.glob("out*/file")] == ["text"]
    assert len(list(tmp_path.glob("web*/*"))) == 3
    assert set(result["refused"]) <= NEVER_REACHED
    assert result["new"] == []


@pytest.mark.skipif(bool(WHY_NO_GIT), reason=WHY_NO_GIT)
def test_a_module_that_was_not_loaded_before_would_be_noticed(
    todo: Mapping[str, Any], tmp_path: Path
) -> None:
    result = worked(todo, tmp_path, {"packages": ["yadokari_builder"], "modules": []})
    assert set(result["refused"]) - NEVER_REACHED

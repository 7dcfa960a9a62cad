import os
import subprocess
import sys
from pathlib import Path

import pytest

SNOOP = """
import os, sys
pid = sys.argv[1]
def attempt(name, act):
    try:
        act(); print(name, "read")
    except OSError as error:
        print(name, error.strerror)
for name in ("environ", "mem", "maps", "auxv"):
    attempt(name, lambda: open(f"/proc/{pid}/{name}", "rb"))
attempt("fd", lambda: os.readlink(f"/proc/{pid}/fd/0"))
attempt("exe", lambda: os.readlink(f"/proc/{pid}/exe"))
attempt("cwd", lambda: os.listdir(f"/proc/{pid}/cwd"))
"""

EXECUTOR = """
import os, subprocess, sys
from yadokari_builder.run.protection import make_undumpable
if sys.argv[1] == "protected":
    make_undumpable()
print(len(open("/proc/self/environ").read()) > 0, len(os.listdir("/proc/self/fd")) > 0)
sys.stdout.flush()
subprocess.run([sys.executable, "-c", sys.argv[2], str(os.getpid())], env={}, check=True)
"""


def python(script: str, *arguments: str) -> list[str]:
    result = subprocess.run(
        ["setpriv", f"--bounding-set={POD}", sys.executable, "-X", "utf8", "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "DOCKER_AUTH_CONFIG": "secret"},
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout.splitlines()


# What Kubernetes leaves a container by default; SYS_PTRACE, PERFMON or SYS_ADMIN would open what is tried.
POD = "-all," + ",".join(
    f"+{name}"
    for name in [
        "chown",
        "dac_override",
        "fowner",
        "fsetid",
        "kill",
        "setgid",
        "setuid",
        "setpcap",
        "net_bind_service",
        "net_raw",
        "sys_chroot",
        "mknod",
        "audit_write",
        "setfcap",
    ]
)
ENTRIES = ("environ", "mem", "maps", "auxv", "fd", "exe", "cwd")


@pytest.mark.skipif(os.geteuid() != 0, reason="a step is root: the test has to be, too")
def test_a_step_that_is_root_cannot_look_into_the_executor() -> None:
    shown = python(EXECUTOR, "protected", SNOOP)
    assert shown == ["True True", *(f"{name} Permission denied" for name in ENTRIES)]


@pytest.mark.skipif(os.geteuid() != 0, reason="a step is root: the test has to be, too")
def test_it_could_without_the_protection() -> None:
    shown = python(EXECUTOR, "open", SNOOP)
    assert shown == ["True True", *(f"{name} read" for name in ENTRIES)]


LATE = """
import email.message, json, sys, logging, io, os, socket, ssl, subprocess, tarfile, tempfile, threading, time
import traceback, urllib.request, zipfile, warnings, shutil, hashlib, http.server, datetime
from concurrent.futures import ThreadPoolExecutor
import urllib3
from yadokari_builder.run.protection import preload_modules

preload_modules()
before = set(sys.modules)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(302 if self.path == "/" else 200)
        self.send_header("Location", "/there")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
    def log_message(self, *arguments): pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://localhost:{server.server_port}/"
pool = urllib3.PoolManager(retries=urllib3.Retry(2))
assert pool.request("GET", url).data == b"ok"
for bad in ("https://localhost:%d/" % server.server_port, "http://127.0.0.1:1/", "http://xn--nothere.invalid/"):
    try:
        pool.request("GET", bad, retries=False, timeout=1)
    except urllib3.exceptions.HTTPError as error:
        traceback.format_exc()
ssl.create_default_context()
try:
    socket.getaddrinfo("b\\u00fccher.invalid", 80)
except OSError:
    pass
with ThreadPoolExecutor(2) as threads:
    list(threads.map(hashlib.sha256, [b"a"]))
for mode in ("gz", "bz2", "xz"):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:" + mode) as tar:
        tar.addfile(tarfile.TarInfo("x"))
    data.seek(0)
    tarfile.open(fileobj=data).getmembers()
with zipfile.ZipFile(io.BytesIO(), "w") as archive:
    archive.writestr("\\u00e9", "x")
for codec in ("utf-8", "latin-1", "ascii", "idna", "utf-16", "utf-8-sig", "unicode_escape"):
    "x".encode(codec)
subprocess.run(["true"], check=True, stdin=subprocess.DEVNULL)
try:
    subprocess.run(["/no/where"])
except OSError:
    pass
with tempfile.TemporaryDirectory() as folder:
    open(folder + "/a", "w").close()
    shutil.copy2(folder + "/a", folder + "/b")
json.dumps({"a": "\\u00e9"}); json.loads("[]")
time.strptime("2020-01-01", "%Y-%m-%d"); datetime.datetime.strptime("2020", "%Y")
email.message.Message()
logging.getLogger("x").error("%s", "y", exc_info=ValueError())
try:
    import antigravity
except ImportError:
    print("nothing more can be imported")
print(sorted(set(sys.modules) - before))
"""


def test_whatever_the_executor_does_later_needs_no_further_module(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", LATE],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": "/bin:/usr/bin"},
    )
    assert shown.stdout.splitlines() == ["nothing more can be imported", "[]"], shown.stderr


def test_no_variable_that_the_executor_was_given_is_to_be_read_in_its_memory() -> None:
    script = """
import os
from yadokari_builder.run.protection import wipe_environment
before = open("/proc/self/environ", "rb").read()
os.environ["ADDED"] = "x" * 5000  # moves the C library's own list
wipe_environment()
after = open("/proc/self/environ", "rb").read()
print(b"secret" in before, b"secret" in after, len(before) == len(after))
print(os.environ["DOCKER_AUTH_CONFIG"], b"TZ=UTC" in after)
"""
    shown = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        env={
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "DOCKER_AUTH_CONFIG": "secret",
            "TZ": "UTC",
        }
        | {"EMPTY": "", "LAST": "secret"},
    )
    assert shown.stdout.splitlines() == ["True False True", "secret True"], shown.stderr


def test_what_threads_need_to_end_is_loaded_before_a_step_can_replace_it() -> None:
    script = """
from yadokari_builder.run.libraries import fix_name_services, preload_libraries
preload_libraries()
fix_name_services()
print("libgcc_s.so.1" in open("/proc/self/maps").read())
"""
    assert python(script) == ["True"]


DUMPING = """
import os, resource, sys
from yadokari_builder.run.protection import keep_out_of_dumps
resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
keep_out_of_dumps()
print(resource.getrlimit(resource.RLIMIT_CORE) == (0, resource.RLIM_INFINITY))
sys.stdout.flush()
os.execv("/bin/sh", ["sh", "-c", "ulimit -c; ulimit -Sc unlimited; ulimit -c"])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may raise the limit first")
def test_a_crash_leaves_no_core_file_unless_a_step_asks_for_one() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DUMPING],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert done.stdout.split() == ["True", "0", "unlimited"]

"""The runtime in its container: what happens around it must not matter to it."""

import textwrap

import pytest

from support.pod import PodResult, run_pod, why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(why_no_containers() is not None, reason=str(why_no_containers())),
]

PYTHON = "/yadokari/bin/python3"

# What an executor does to its root, in a few lines: nothing outside its directory stays but mounts.
WIPE = """
import os, shutil
def wipe(folder, kept):
    for entry in os.scandir(folder):
        if entry.name in kept: continue
        if entry.is_dir(follow_symlinks=False): shutil.rmtree(entry.path)
        else: os.unlink(entry.path)
wipe("/", {"dev", "etc", "kaniko", "proc", "sys", "yadokari"})
wipe("/etc", {"hosts", "hostname", "resolv.conf"})
"""


def run_python(script: str, image: str = "executor", env: dict[str, str] | None = None) -> PodResult:
    return run_pod(["-ISBXutf8", "-c", textwrap.dedent(script)], entrypoint=PYTHON, image=image, env=env)


def succeeded(result: PodResult) -> str:
    assert result.exit_code == 0, result.output
    return result.output


def test_the_image_holds_the_runtime_and_two_links_alone() -> None:
    script = """
    import os
    print(sorted(set(os.listdir("/")) - {"dev", "etc", "proc", "sys"}), sorted(os.listdir("/etc")))
    print(os.readlink("/kaniko"), os.listdir("/var"), os.readlink("/var/run"))
    """
    assert succeeded(run_python(script)).splitlines() == [
        "['kaniko', 'var', 'yadokari'] ['hostname', 'hosts', 'resolv.conf']",
        "yadokari ['run'] ../run",
    ]


def test_nothing_is_imported_or_linked_from_outside_the_runtime() -> None:
    script = """
    import re, ssl, sys, ctypes, isal.isal_zlib, zstandard, urllib3, socket
    socket.getaddrinfo("localhost", 80)
    mapped = re.findall(r"(/\\S+)$", open("/proc/self/maps").read(), re.M)
    print({path for path in sys.path + mapped if not path.startswith("/yadokari/")})
    """
    assert succeeded(run_python(script)) == "set()\n"


def test_it_works_on_when_its_root_is_emptied() -> None:
    script = WIPE + textwrap.dedent("""
        import email.mime.text, hashlib, json, lzma, socket, ssl, subprocess, tarfile, urllib3, zstandard
        import isal.isal_zlib
        assert hashlib.sha256(b"").hexdigest().startswith("e3b0c442")
        assert isal.isal_zlib.decompress(isal.isal_zlib.compress(b"x" * 1000)) == b"x" * 1000
        assert ssl.create_default_context().cert_store_stats()["x509_ca"] > 50
        assert socket.getaddrinfo("localhost", 80)
        assert subprocess.run(["/yadokari/bin/python3", "-ISB", "-c", "print(1)"]).returncode == 0
        print(sorted(os.listdir("/")))
    """)
    assert succeeded(run_python(script)) == "1\n['dev', 'etc', 'kaniko', 'proc', 'sys', 'yadokari']\n"


def test_files_of_a_hostile_image_do_not_steer_it() -> None:
    script = """
    import os, socket, ssl, subprocess, time
    files = {
        "/etc/ld.so.preload": "/hostile.so", "/etc/ld.so.cache": "x", "/etc/nsswitch.conf": "hosts: nonsense",
        "/etc/gai.conf": "x" * 99, "/etc/localtime": "nonsense", "/usr/lib/ssl/openssl.cnf": "nonsense = [",
        "/usr/lib/python3.11/os.py": "raise SystemExit(9)", "/etc/python3.11/sitecustomize.py": "exit(9)",
        "/lib/x86_64-linux-gnu/libc.so.6": "nonsense", "/usr/lib/ssl/cert.pem": "nonsense",
        "/hostile.so": "nonsense", "/json.py": "raise SystemExit(9)",
    }
    for path, text in files.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "w").write(text)
    print(subprocess.run(
        ["/yadokari/bin/python3", "-ISBXutf8", "-c",
         "import json, socket, ssl, time; socket.getaddrinfo('localhost', 80);"
         "print(ssl.create_default_context().cert_store_stats()['x509_ca'] > 50, time.localtime().tm_zone)"],
        env={"LD_LIBRARY_PATH": "/lib/x86_64-linux-gnu", "PYTHONPATH": "/", "PYTHONHOME": "/usr"},
        capture_output=True, text=True, cwd="/",
    ))
    """
    assert "returncode=0, stdout='True UTC\\n', stderr=''" in succeeded(run_python(script))


def test_a_private_authority_is_trusted_by_ssl_cert_file_and_only_then() -> None:
    script = "import ssl; print(ssl.create_default_context().cert_store_stats()['x509_ca'])"
    own = int(succeeded(run_python(script)))
    none = int(succeeded(run_python(script, env={"SSL_CERT_FILE": "/etc/hostname"})))
    assert own > 50
    assert none == 0


def test_busybox_of_the_debug_image_runs() -> None:
    result = run_pod(
        ["sh", "-c", "ls / && sleep 0 && echo $PATH"], image="debug", entrypoint="/busybox/busybox"
    )
    assert succeeded(result).split() == [
        *("busybox", "dev", "etc", "kaniko", "proc", "sys", "var", "yadokari"),
        "/yadokari:/yadokari/bin:/busybox",
    ]


@pytest.mark.parametrize("path", ["/yadokari/warmer", "/kaniko/warmer"])
def test_the_warmer_is_a_program_of_its_own(path: str) -> None:
    assert "--image" in succeeded(run_pod(["--help"], entrypoint=path))


@pytest.mark.parametrize("path", ["/yadokari/executor", "/kaniko/executor"])
def test_the_executor_starts_where_there_is_no_shell(path: str) -> None:
    assert "--context" in succeeded(run_pod(["--help"], entrypoint=path))

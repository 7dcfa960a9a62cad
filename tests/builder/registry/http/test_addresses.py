import json
import os
import socket
import subprocess
import sys

import pytest

from yadokari_builder.registry.http.addresses import Addresses


class Names:
    """A name service whose answers change."""

    def __init__(self, **addresses: tuple[str, ...]) -> None:
        self.addresses = addresses

    def __call__(self, host: str) -> tuple[str, ...]:
        if host not in self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.addresses[host]


def test_a_host_keeps_the_addresses_that_it_was_found_at_first() -> None:
    names = Names(registry=("192.0.2.1", "192.0.2.2"))
    addresses = Addresses(names)
    assert addresses.find("registry") == ("192.0.2.1", "192.0.2.2")
    names.addresses["registry"] = ("192.0.2.66",)
    assert addresses.find("Registry") == ("192.0.2.1", "192.0.2.2")


def test_a_host_that_was_not_found_may_be_found_later() -> None:
    names = Names()
    addresses = Addresses(names)
    addresses.learn(["registry", "b\u00fccher" * 30])
    with pytest.raises(OSError, match="not known"):
        addresses.find("registry")
    names.addresses["registry"] = ("192.0.2.1",)
    assert addresses.find("registry") == ("192.0.2.1",)


def test_only_hosts_that_were_found_before_the_first_step_are_trusted() -> None:
    addresses = Addresses(Names(early=("192.0.2.1",), late=("192.0.2.2",)))
    assert addresses.is_trusted("late")
    addresses.learn(["early", "nowhere"])
    addresses.freeze()
    addresses.find("late")
    trusted = [host for host in ("early", "EARLY", "late", "nowhere") if addresses.is_trusted(host)]
    assert trusted == ["early", "EARLY"]


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "[2001:db8::1]", "fe80::1%eth0"])
def test_an_address_needs_nobody_to_say_where_it_is(host: str) -> None:
    addresses = Addresses(Names())
    addresses.freeze()
    assert addresses.is_trusted(host)


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        addresses = Addresses(Names(registry=("127.0.0.9", "127.0.0.1")))
        with addresses.connect("registry", port, 5, verified=False) as connection:
            assert connection.getpeername() == ("127.0.0.1", port)


def test_a_host_that_has_moved_is_followed_where_tls_finds_out_whether_it_is_the_right_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        names = Names(registry=("127.0.0.9",))
        addresses = Addresses(names)
        addresses.learn(["registry"])
        names.addresses["registry"] = ("127.0.0.1",)
        with pytest.raises(ConnectionRefusedError):
            addresses.connect("registry", port, 5, verified=False)
        addresses.connect("registry", port, 5, verified=True).close()
        assert addresses.find("registry") == ("127.0.0.9",)


ATTACK = """
import json, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from yadokari_builder.errors import BuilderError
from yadokari_builder.build.registries import open_registries
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.pull import Puller
from yadokari_builder.registry.push import Pusher
from yadokari_contract.arguments import BuildSpec

asked = []

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.headers.get("Authorization")
        asked.append([self.server.server_address[0], self.headers["Host"], known])
        self.send_response(404 if known else 401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.send_header("Content-Length", "0")
        self.end_headers()
    do_POST = do_GET
    def log_message(self, *_): pass

mine = HTTPServer(("127.0.0.1", 0), Handler)
port = mine.server_port
theirs = HTTPServer(("127.0.0.2", port), Handler)
for server in (mine, theirs):
    threading.Thread(target=server.serve_forever, daemon=True).start()

def hosts(text):
    with open("/etc/hosts", "w") as file:
        file.write(text)

hosts("127.0.0.1 registry.test files.test\\n")
auths = {f"{name}.test:{port}": {"username": "me", "password": "secret"} for name in ("registry", "late")}
registries = open_registries(
    BuildSpec(insecure=True, insecure_pull=True),
    {"DOCKER_AUTH_CONFIG": json.dumps({"auths": auths}), "DOCKER_CONFIG": "/nowhere"},
)
pusher = Pusher(registries.pushing, [Reference.parse(f"registry.test:{port}/app")])
web = registries.network.pools()
def attempt(action):
    try:
        action()
    except BuilderError as error:
        return str(error)

if sys.argv[1] == "early":
    attempt(pusher.check)
registries.freeze([], ["files.test"])
hosts("127.0.0.2 registry.test files.test late.test\\n")  # as a step does it

if sys.argv[1] == "early":
    errors = [attempt(pusher.check)]
else:
    errors = [attempt(lambda: Puller(registries.pulling).resolve(
        Reference.parse(f"late.test:{port}/app"), Platform("linux", "amd64")))]
web.request("GET", f"http://files.test:{port}/", retries=False)
print(json.dumps([asked, errors]))
pusher.close()
"""


FRESH_ETC = 'mount -t tmpfs none /etc && exec "$@"'


def attack(kind: str) -> tuple[list[list[str | None]], list[str]]:
    """Run the attack in a mount namespace of its own, where /etc/hosts may be written."""
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", FRESH_ETC, "sh", sys.executable, "-c", ATTACK, kind],
        capture_output=True,
        text=True,
        timeout=60,
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PATH": os.environ["PATH"]},
    )
    assert done.returncode == 0, done.stderr
    asked, errors = json.loads(done.stdout)
    return asked, errors


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace takes root")
def test_a_step_that_rewrites_etc_hosts_does_not_get_the_push_password() -> None:
    asked, _ = attack("early")
    assert {address for address, *_ in asked} == {"127.0.0.1"}
    assert any(known for *_, known in asked)
    assert {(host or "").partition(":")[0] for _, host, _ in asked} == {"registry.test", "files.test"}


@pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace takes root")
def test_a_host_that_is_first_asked_after_a_step_gets_no_password_over_plain_http() -> None:
    asked, errors = attack("late")
    assert [known for *_, known in asked] == [None, None, None]
    assert "late.test" in errors[0]
    assert "gets no credentials: it was first asked after a RUN step" in errors[0]

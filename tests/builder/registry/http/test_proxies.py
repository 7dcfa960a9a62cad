"""Proxies of the environment: who is asked by them, and what they are told."""

import contextlib
import logging
import socket
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from support.clients import PLAIN
from support.handmade import make_image
from support.proxy import Proxy, running_proxy
from support.registry import Certificate, Registry, docker_config
from yadokari_builder.errors import RegistryError, UsageError
from yadokari_builder.oci.platform import Platform
from yadokari_builder.oci.reference import Reference
from yadokari_builder.registry.client import RegistryClient
from yadokari_builder.registry.credentials.config_file import parse_config
from yadokari_builder.registry.credentials.credential import Keychain
from yadokari_builder.registry.credentials.helpers import HelpedCredentials, Helpers
from yadokari_builder.registry.http.addresses import Addresses
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.proxies import read_proxies
from yadokari_builder.registry.http.reach import Policy, Reach, Transports
from yadokari_builder.registry.http.retry import RetryPolicy
from yadokari_builder.registry.http.tls import read_trust
from yadokari_builder.registry.pull import Puller
from yadokari_builder.registry.push import Pusher
from yadokari_contract.proxies import Proxies

# Loopback is never asked by a proxy, so that it goes by another name.
WHERE = {"registry.test": "127.0.0.1", "localhost": "127.0.0.1"}
LOGIN = "me:p%40ss wörd"


class Always(Proxies):
    """Proxies for loopback as well."""

    def _is_exempt(self, host: str, port: int) -> bool:
        return False


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with running_proxy(WHERE, "me:p@ss wörd") as running:
        yield running


def look_up(host: str) -> tuple[str, ...]:
    if host != "proxy.test":
        raise socket.gaierror(socket.EAI_NONAME, "only the proxy knows")
    return ("127.0.0.1",)


@contextlib.contextmanager
def client(
    environment: Mapping[str, str], policy: Policy, config: str = "{}", network: Network | None = None
) -> Iterator[RegistryClient]:
    network = network or Network(
        read_trust(environment), addresses=Addresses(look_up), proxies=read_proxies(environment)
    )
    transports = Transports(network, read_timeout=5)
    with contextlib.closing(transports):
        yield RegistryClient(
            Reach(transports, policy),
            keychain=Keychain((HelpedCredentials(parse_config(config, "x"), Helpers({})),)),
            retry=RetryPolicy(attempts=1),
        )


def push_and_pull(client: RegistryClient, folder: Path, name: str) -> None:
    made = make_image(folder, {"a": b"1"})
    with Pusher(client, [Reference.parse(name)]) as pusher:
        pusher.check()
        for layer in made.layers:
            pusher.add_layer(layer)
        pusher.finish(made.image)
    pulled = Puller(client).resolve(Reference.parse(name), Platform("linux", "amd64"))
    with pulled.layers[0].open() as blob:
        assert blob.read()


def test_a_registry_is_reached_by_a_proxy_over_plain_http(
    proxy: Proxy, registry: Registry, tmp_path: Path, name: str
) -> None:
    port = registry.host.partition(":")[2]
    environment = {"http_proxy": f"{LOGIN}@proxy.test:{proxy.host.partition(':')[2]}"}
    with client(environment, PLAIN) as made:
        push_and_pull(made, tmp_path, f"registry.test:{port}/{name}")
    assert any(asked.startswith(f"PUT http://registry.test:{port}/v2/{name}/") for asked in proxy.asked)


def test_a_registry_is_reached_through_a_tunnel_over_tls_that_the_proxy_cannot_read(
    proxy: Proxy, secure_registry: Registry, certificate: Certificate, tmp_path: Path, name: str
) -> None:
    # The certificate is for localhost, which no other proxy would be asked for.
    port = secure_registry.host.partition(":")[2]
    environment = {
        "HTTPS_PROXY": f"http://{LOGIN}@proxy.test:{proxy.host.partition(':')[2]}",
        "SSL_CERT_FILE": str(certificate.authority),
    }

    read = read_proxies(environment)
    network = Network(
        read_trust(environment), Addresses(look_up), proxies=Always(read.by_scheme, read.exempt)
    )
    host = f"localhost:{port}"
    with client(environment, Policy(), docker_config(host), network) as made:
        push_and_pull(made, tmp_path, f"{host}/{name}")
    assert set(proxy.asked) == {f"CONNECT localhost:{port}"}


@pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "tls"])
def test_a_proxy_may_be_reached_by_tls(
    secure_registry: Registry,
    registry: Registry,
    certificate: Certificate,
    tmp_path: Path,
    name: str,
    is_secure: bool,
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.chain, certificate.key)
    port = (secure_registry if is_secure else registry).host.partition(":")[2]
    host = f"localhost:{port}"
    with running_proxy(WHERE, "me:x", context) as proxy:
        url = f"https://me:x@localhost:{proxy.host.partition(':')[2]}"
        environment = {"HTTPS_PROXY": url, "HTTP_PROXY": url, "SSL_CERT_FILE": str(certificate.authority)}
        network = Network(read_trust(environment), proxies=Always(read_proxies(environment).by_scheme))
        policy = Policy() if is_secure else PLAIN
        with client(environment, policy, docker_config(host) if is_secure else "{}", network) as made:
            push_and_pull(made, tmp_path, f"{host}/{name}")
        assert proxy.asked


def test_what_add_fetches_goes_by_the_proxy(proxy: Proxy, registry: Registry) -> None:
    port = registry.host.partition(":")[2]
    environment = {"HTTP_PROXY": f"http://{LOGIN}@proxy.test:{proxy.host.partition(':')[2]}"}
    network = Network(read_trust({}), Addresses(look_up), proxies=read_proxies(environment))
    pools = network.pools()
    assert pools.request("GET", f"http://registry.test:{port}/v2/", retries=False).status == 200
    assert proxy.asked == [f"GET http://registry.test:{port}/v2/"]
    pools.clear()


def test_a_proxy_that_refuses_is_blamed_and_its_password_is_shown_to_nobody(
    proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    port = proxy.host.partition(":")[2]
    environment = {"HTTPS_PROXY": f"http://me:hunter2@proxy.test:{port}"}
    with (
        client(environment, Policy()) as made,
        pytest.raises(RegistryError, match="the proxy fails") as caught,
    ):
        Puller(made).resolve(Reference.parse("registry.test/app"), Platform("linux", "amd64"))
    assert "407" in str(caught.value)
    assert not caught.value.temporary
    assert "hunter2" not in str(caught.value) + caplog.text + repr(read_proxies(environment))
    assert "bWU6" not in str(caught.value) + caplog.text + repr(read_proxies(environment))


def test_a_proxy_that_is_not_there_is_a_temporary_error() -> None:
    with (
        client({"HTTPS_PROXY": "http://proxy.test:9"}, Policy()) as made,
        pytest.raises(RegistryError, match=r"the proxy fails: .*Connection refused") as caught,
    ):
        Puller(made).resolve(Reference.parse("registry.test/app"), Platform("linux", "amd64"))
    assert caught.value.temporary


def test_a_step_cannot_say_where_the_proxy_is() -> None:
    places = {"proxy.test": ("192.0.2.1",)}
    addresses = Addresses(lambda host: places.get(host, ()))
    network = Network(
        read_trust({}),
        addresses,
        proxies=read_proxies({"HTTP_PROXY": "http://proxy.test:3128", "NO_PROXY": "other.test"}),
    )
    network.learn(["registry.test"])
    places["proxy.test"] = ("192.0.2.66",)
    assert addresses.find("proxy.test") == ("192.0.2.1",)
    addresses.freeze()
    assert network.is_trusted("http://registry.test/")
    assert not network.is_trusted("http://other.test/")


@pytest.mark.parametrize(
    ("exempt", "url", "is_proxied"),
    [
        ("", "http://registry.test/", True),
        ("", "http://localhost:5000/", False),
        ("", "http://127.0.0.3/", False),
        ("", "http://[::1]/", False),
        ("*", "http://registry.test/", False),
        ("a.test, registry.test", "http://registry.test/", False),
        ("registry.test", "http://REGISTRY.test./", False),
        ("registry.test", "http://sub.registry.test/", False),
        ("registry.test", "http://myregistry.test/", True),
        (".registry.test", "http://registry.test/", True),
        (".registry.test", "http://sub.registry.test/", False),
        ("*.registry.test", "http://sub.registry.test/", False),
        ("registry.test:5000", "http://registry.test:5000/", False),
        ("registry.test:5000", "http://registry.test/", True),
        ("registry.test:80", "http://registry.test/", False),
        ("10.0.0.0/8", "http://10.1.2.3:5000/", False),
        ("10.0.0.0/8", "http://11.1.2.3/", True),
        ("10.0.0.0/8", "http://registry.test/", True),
        ("10.1.2.3", "http://10.1.2.3/", False),
        ("2001:db8::1", "http://[2001:db8::1]:5000/", False),
        ("[2001:db8::1]:5000", "http://[2001:db8::1]:5000/", False),
        ("[2001:db8::1]:5000", "http://[2001:db8::1]/", True),
        ("2001:db8::/32", "http://[2001:db8::1]/", False),
        ("/,10.0.0.0/99,:,", "http://registry.test/", True),
        ("", "http://[", False),
        ("", "ftp://registry.test/", False),
    ],
)
def test_no_proxy_is_read_as_go_reads_it(exempt: str, url: str, is_proxied: bool) -> None:
    proxies = read_proxies({"HTTP_PROXY": "proxy.test:3128", "no_proxy": exempt})
    assert (proxies.find(url) is not None) == is_proxied


@pytest.mark.parametrize(
    "text", ["socks5://me:hunter2@proxy.test", "http://me:hunter2@", "http://me:hunter2@x:port", "http://["]
)
def test_what_is_no_proxy_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(UsageError, match="HTTPS_PROXY") as caught:
        read_proxies({"HTTPS_PROXY": text})
    assert "hunter2" not in str(caught.value)

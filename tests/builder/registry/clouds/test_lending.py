"""Passwords for registries of clouds, from servers that stand for them."""

import base64
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from support.buckets import WHY_NO_MOTO, Moto, moto, trusting_moto
from support.services import answering
from support.tokens import serving
from yadokari_builder.errors import RegistryError, UsageError
from yadokari_builder.oci.reference import Repository
from yadokari_builder.registry.clouds.lending import Acr
from yadokari_builder.registry.clouds.places import cloud_places
from yadokari_builder.registry.credentials.acr import AzureIdentity, is_registry
from yadokari_builder.registry.credentials.cloud import Cloud
from yadokari_builder.registry.credentials.credential import Credential, Place
from yadokari_builder.registry.http.connections import Network
from yadokari_builder.registry.http.tls import Trust

PRIVATE = Repository("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "team/app")


def ecr(**environment: str) -> Place:
    nowhere = {"HOME": "/nowhere", "AWS_EC2_METADATA_DISABLED": "true"}
    return cloud_places({**nowhere, **environment}, Network(Trust("")))["ecr"]()


@pytest.fixture(scope="module")
def aws() -> Iterator[Moto]:
    if WHY_NO_MOTO:
        pytest.skip(WHY_NO_MOTO)
    with moto({}) as running:
        yield running


def test_a_password_of_ecr_is_lent_for_signed_requests(aws: Moto) -> None:
    found = ecr(AWS_ENDPOINT_URL=aws.address, **aws.keys).find(PRIVATE)
    assert found
    assert found.username == "AWS"
    assert found.password


def test_a_wrong_key_is_refused_and_told(aws: Moto) -> None:
    wrong = {**aws.keys, "AWS_SECRET_ACCESS_KEY": "hunter2"}
    place = ecr(AWS_ENDPOINT_URL=aws.address, **wrong)
    assert place.find(PRIVATE) is None
    assert (
        "the password of 123456789012.dkr.ecr.eu-west-1.amazonaws.com: refused with status 403"
        in place.hint(PRIVATE)
    )
    assert "hunter2" not in place.hint(PRIVATE)


def test_a_service_that_is_not_there_may_be_tried_again() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    place = ecr(AWS_ENDPOINT_URL_ECR="http://127.0.0.1:9", **keys)
    with pytest.raises(RegistryError, match="Connection refused") as caught:
        place.find(PRIVATE)
    assert caught.value.temporary


def test_without_keys_there_is_nothing() -> None:
    assert ecr().find(PRIVATE) is None
    assert ecr(AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b").find(Repository("docker.io", "x")) is None


def test_a_password_of_ecr_public_is_lent_by_its_own_service() -> None:
    token = base64.b64encode(b"AWS:public password").decode()
    answer = json.dumps({"authorizationData": {"authorizationToken": token, "expiresAt": 1}}).encode()
    with answering({"POST /": answer}) as service:
        keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
        place = ecr(AWS_ENDPOINT_URL_ECR_PUBLIC=f"{service.address}/", **keys)
        assert place.find(Repository("public.ecr.aws", "team/app")) == Credential("AWS", "public password")
    (asked,) = service.asked
    assert asked.headers["x-amz-target"] == "SpencerFrontendService.GetAuthorizationToken"
    assert "/us-east-1/ecr-public/aws4_request" in asked.headers["Authorization"]


@pytest.fixture(scope="module")
def trusting_aws() -> Iterator[str]:
    if WHY_NO_MOTO:
        pytest.skip(WHY_NO_MOTO)
    with trusting_moto() as address:
        yield address


def test_a_web_identity_is_lent_a_password_of_ecr(trusting_aws: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("jwt")
    found = ecr(
        AWS_ENDPOINT_URL=trusting_aws,
        AWS_REGION="eu-west-1",
        AWS_ROLE_ARN="arn:aws:iam::123456789012:role/builder",
        AWS_WEB_IDENTITY_TOKEN_FILE=str(tmp_path / "token"),
    ).find(PRIVATE)
    assert found
    assert (found.username, bool(found.password)) == ("AWS", True)


def test_a_pods_identity_is_lent_a_password_of_ecr(aws: Moto) -> None:
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    identity, secret = (aws.keys[name] for name in names)
    answer = json.dumps({"AccessKeyId": identity, "SecretAccessKey": secret}).encode()
    with answering({"GET /v1/credentials": answer}) as pod:
        place = ecr(
            AWS_ENDPOINT_URL=aws.address,
            AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{pod.address}/v1/credentials",
            AWS_CONTAINER_AUTHORIZATION_TOKEN="jwt",
        )
        found = place.find(PRIVATE)
    assert found
    assert (found.username, pod.asked[0].headers["Authorization"]) == ("AWS", "jwt")


NODE = "GET /computeMetadata/v1/instance/service-accounts/default/token"
GOOGLES = Repository("europe-docker.pkg.dev", "project/team/app")
SHOWN = Credential("oauth2accesstoken", "t0ken")
TOKEN = b'{"access_token": "t0ken", "expires_in": 3600}'


def google(**environment: str) -> Place:
    return cloud_places({"GCE_METADATA_HOST": "127.0.0.1:1", **environment}, Network(Trust("")))["google"]()


def written(folder: Path, **account: object) -> str:
    (folder / "account.json").write_text(json.dumps(account))
    return str(folder / "account.json")


@pytest.mark.parametrize("registry", ["gcr.io", "eu.gcr.io", "europe-west1-docker.pkg.dev"])
def test_a_node_of_google_is_lent_a_token_for_its_identity(registry: str) -> None:
    with answering({NODE: TOKEN}) as service:
        place = google(GCE_METADATA_HOST=service.address.removeprefix("http://"))
        assert place.find(Repository(registry, "project/app")) == SHOWN
        assert place.find(Repository(registry, "project/other")) == SHOWN
    assert len(service.asked) == 1


def test_a_service_account_of_google_is_lent_a_token_for_its_key(tmp_path: Path) -> None:
    pem = subprocess.run(["openssl", "genrsa", "2048"], check=True, capture_output=True).stdout.decode()
    with answering({"POST /token": TOKEN}) as service:
        account = {"client_email": "me@project", "private_key": pem, "token_uri": f"{service.address}/token"}
        file = written(tmp_path, type="service_account", **account)
        assert google(GOOGLE_APPLICATION_CREDENTIALS=file).find(GOOGLES) == SHOWN
    claims = parse_qs(service.asked[0].body)["assertion"][0].split(".")[1]
    scope = json.loads(base64.urlsafe_b64decode(f"{claims}=="))["scope"]
    assert scope == "https://www.googleapis.com/auth/cloud-platform"


def test_a_workload_is_lent_a_token_of_google_for_that_of_its_cluster(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of the cluster\n")
    with answering({"POST /sts": TOKEN}) as service:
        file = written(
            tmp_path,
            type="external_account",
            audience="pool",
            subject_token_type="urn:ietf:params:oauth:token-type:jwt",
            token_url=f"{service.address}/sts",
            credential_source={"file": str(tmp_path / "token")},
        )
        assert google(GOOGLE_APPLICATION_CREDENTIALS=file).find(GOOGLES) == SHOWN
    assert parse_qs(service.asked[0].body)["subject_token"] == ["of the cluster"]


def test_what_google_refuses_is_told_without_its_words(tmp_path: Path) -> None:
    with answering({"POST /token": 401}) as service:
        user = {"client_id": "i", "client_secret": "hunter2", "refresh_token": "r"}
        file = written(tmp_path, type="authorized_user", token_uri=f"{service.address}/token", **user)
        place = google(GOOGLE_APPLICATION_CREDENTIALS=file)
        assert place.find(GOOGLES) is None
        assert place.hint(GOOGLES) == "credentials of Google: refused with status 401"


@pytest.mark.parametrize(
    "registry", ["docker.io", "notgcr.io", "gcr.io.example", "pkg.dev", "gcr.io:5000", "a.pkg.dev.example"]
)
def test_other_registries_are_not_told_of_google(registry: str) -> None:
    with answering({NODE: TOKEN}) as service:
        place = google(GCE_METADATA_HOST=service.address.removeprefix("http://"))
        assert place.find(Repository(registry, "x")) is None
    assert not service.asked


def test_a_place_without_google_has_nothing() -> None:
    assert google().find(GOOGLES) is None


@dataclass(slots=True)
class Azure:
    """Stands for Azure: its directory, the node's service and a registry."""

    url: str = ""
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    refuses: bool = False

    def answer(self, path: str, form: dict[str, list[str]]) -> tuple[int, dict[str, str]]:
        self.asked.append((path, form))
        if self.refuses:
            return 401, {"error": "hunter2"}
        if path.endswith("/oauth2/exchange"):
            assert form["access_token"] == ["of the directory"]
            return 200, {"refresh_token": f"for {form['service'][0]}"}
        return 200, {"access_token": "of the directory"}


@pytest.fixture
def azure() -> Iterator[Azure]:
    running = Azure()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(self.path, parse_qs(body.decode()))

        def do_GET(self) -> None:
            assert self.headers["Metadata"] == "true"
            parts = urlsplit(self.path)
            self._answer(parts.path, parse_qs(parts.query))

        def _answer(self, path: str, form: dict[str, list[str]]) -> None:
            status, data = running.answer(path, form)
            body = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with serving(Handler) as port:
        running.url = f"http://127.0.0.1:{port}"
        yield running


def acr(azure: Azure, **environment: str) -> Cloud:
    whole = {
        "AZURE_AUTHORITY_HOST": azure.url,
        "AZURE_POD_IDENTITY_AUTHORITY_HOST": azure.url,
        **environment,
    }
    pools = Network(Trust("")).pools()
    made = Acr(AzureIdentity.of_environment(whole), whole, pools, pools, lambda _: azure.url)
    return Cloud(is_registry, made.lend)


AZURES = Repository("team.azurecr.io", "app")
LENT = Credential(identity_token="for team.azurecr.io")
PRINCIPAL = {"AZURE_TENANT_ID": "tenant", "AZURE_CLIENT_ID": "client"}


def test_a_service_principal_is_lent_a_registrys_token(azure: Azure) -> None:
    assert acr(azure, AZURE_CLIENT_SECRET="secret", **PRINCIPAL).find(AZURES) == LENT
    (first, form), (second, exchange) = azure.asked
    assert (first, second) == ("/tenant/oauth2/v2.0/token", "/oauth2/exchange")
    assert form["client_secret"] == ["secret"]
    assert exchange["tenant"] == ["tenant"]


def test_a_workload_is_lent_a_registrys_token_for_that_of_its_cluster(azure: Azure, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of the cluster\n")
    assert acr(azure, AZURE_FEDERATED_TOKEN_FILE=str(tmp_path / "token"), **PRINCIPAL).find(AZURES) == LENT
    assert azure.asked[0][1]["client_assertion"] == ["of the cluster"]


def test_a_node_is_lent_a_registrys_token_for_its_identity(azure: Azure) -> None:
    assert acr(azure, AZURE_CLIENT_ID="one of several").find(AZURES) == LENT
    path, query = azure.asked[0]
    assert path == "/metadata/identity/oauth2/token"
    assert query["client_id"] == ["one of several"]


def test_nobody_is_lent_nothing(azure: Azure) -> None:
    azure.refuses = True
    assert acr(azure).find(AZURES) is None


def test_what_azure_refuses_is_told_without_its_words(azure: Azure) -> None:
    azure.refuses = True
    place = acr(azure, AZURE_CLIENT_SECRET="secret", **PRINCIPAL)
    assert place.find(AZURES) is None
    assert place.hint(AZURES) == "credentials of Azure: refused with status 401"


def test_other_registries_are_not_told_of_azure(azure: Azure) -> None:
    assert acr(azure, AZURE_CLIENT_SECRET="secret", **PRINCIPAL).find(Repository("docker.io", "x")) is None
    assert not azure.asked


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match="--azure-container-registry-config: /no/where cannot be read"):
        cloud_places({}, Network(Trust("")), "/no/where")

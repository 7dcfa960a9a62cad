"""Where credentials of AWS are looked for."""

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import urllib3

from support.services import answering
from yadokari_builder.errors import ContextError
from yadokari_builder.registry.clouds.aws import AwsCredentials
from yadokari_builder.registry.clouds.signature import AwsKeys

NOWHERE = {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent"}
TEMPORARY = AwsKeys("ASIA", "secret", "token")
ANSWER = json.dumps({"AccessKeyId": "ASIA", "SecretAccessKey": "secret", "Token": "token"}).encode()
ROLES = "/latest/meta-data/iam/security-credentials/"


def find(variables: Mapping[str, str]) -> AwsKeys | None:
    pools = urllib3.PoolManager()
    return AwsCredentials({**NOWHERE, **variables}, pools, pools).find()


def test_there_may_be_none() -> None:
    assert find({}) is None
    assert find({"AWS_ACCESS_KEY_ID": "AKIA"}) is None


def test_keys_of_the_environment_come_first() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "ASIA", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}
    assert find({**keys, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://localhost:1/"}) == TEMPORARY


def test_a_service_account_s_token_is_exchanged_for_keys_of_a_role(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("jwt\n")
    answer = (
        b"<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
        b"<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>"
        b"<SessionToken>token</SessionToken></Credentials></AssumeRoleWithWebIdentityResult>"
        b"</AssumeRoleWithWebIdentityResponse>"
    )
    given = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ROLE_ARN": "arn:aws:iam::1:role/r"}
    with answering({"POST /": answer}) as service:
        assert find({**given, "AWS_ENDPOINT_URL_STS": f"{service.address}/"}) == TEMPORARY
    form = parse_qs(service.asked[0].body)
    assert (form["RoleArn"], form["WebIdentityToken"]) == (["arn:aws:iam::1:role/r"], ["jwt"])
    with (
        answering({"POST /": 403}) as service,
        pytest.raises(ContextError, match="role/r: refused") as caught,
    ):
        find({**given, "AWS_ENDPOINT_URL_STS": f"{service.address}/"})
    assert "jwt" not in str(caught.value)


def test_a_pod_s_identity_is_asked_for_with_its_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("jwt")
    with answering({"GET /v1/credentials": ANSWER}) as service:
        given = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{service.address}/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
        }
        assert find(given) == TEMPORARY
    assert service.asked[0].headers["Authorization"] == "jwt"


def test_a_pod_s_token_goes_to_nobody_else_in_the_clear() -> None:
    with pytest.raises(ContextError, match="must be one of the pod, or https"):
        find({"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://example.com/"})


def test_a_node_s_role_is_asked_for_in_a_session() -> None:
    answers = {
        "PUT /latest/api/token": b"session",
        f"GET {ROLES}": b"role",
        f"GET {ROLES}role": ANSWER,
    }
    with answering(answers) as service:
        given = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": service.address, "AWS_EC2_METADATA_DISABLED": ""}
        assert find(given) == TEMPORARY
    sessions = [request.headers.get("X-aws-ec2-metadata-token") for request in service.asked]
    assert sessions == [None, "session", "session"]


def test_a_node_without_a_role_has_no_keys() -> None:
    with answering({"PUT /latest/api/token": b"session"}) as service:
        given = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": service.address, "AWS_EC2_METADATA_DISABLED": ""}
        assert find(given) is None


@pytest.mark.parametrize("answer", [b"[]", b"no JSON", b'{"AccessKeyId": "x"}', b'{"AccessKeyId": 1}'])
def test_an_answer_that_is_none_is_told(answer: bytes) -> None:
    with answering({"GET /": answer}) as service, pytest.raises(ContextError, match="credentials of AWS: "):
        find({"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{service.address}/"})

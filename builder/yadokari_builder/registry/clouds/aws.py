"""Credentials of AWS, looked for where its own programs look, in the same order."""

import configparser
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import urllib3

from yadokari_builder.errors import ContextError
from yadokari_builder.registry.clouds.exchange import Query, read_file, texts, told, told_nearby
from yadokari_builder.registry.clouds.signature import AwsKeys

_WHAT = "credentials of AWS"
_POD_HOSTS = frozenset({"localhost", "127.0.0.1", "::1", "169.254.170.2", "169.254.170.23", "fd00:ec2::23"})
_POD_SERVICE = "http://169.254.170.2"
_INSTANCE_SERVICE = "http://169.254.169.254"
_ROLES = "latest/meta-data/iam/security-credentials/"
_STS_VERSION = "2011-06-15"


def read_region(environment: Mapping[str, str]) -> str:
    """Return the region that the environment names; "" for none."""
    return environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION", "")


@dataclass(frozen=True, slots=True)
class AwsCredentials:
    """Looks for keys; `nearby` are connections without a proxy."""

    environment: Mapping[str, str]
    http: urllib3.PoolManager
    nearby: urllib3.PoolManager

    def find(self) -> AwsKeys | None:
        """Return keys, None where there are none; raises ContextError for some that cannot be had."""
        return (
            self._of_environment()
            or self._of_web_identity()
            or self._of_file()
            or self._of_pod()
            or self._of_instance()
        )

    def _of_environment(self) -> AwsKeys | None:
        get = self.environment.get
        identity, secret = get("AWS_ACCESS_KEY_ID", ""), get("AWS_SECRET_ACCESS_KEY", "")
        return AwsKeys(identity, secret, get("AWS_SESSION_TOKEN", "")) if identity and secret else None

    def _of_web_identity(self) -> AwsKeys | None:
        get = self.environment.get
        file, role = get("AWS_WEB_IDENTITY_TOKEN_FILE"), get("AWS_ROLE_ARN")
        if not (file and role):
            return None
        region = read_region(self.environment)
        place = f"sts.{region}.amazonaws.com" if region else "sts.amazonaws.com"
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": _STS_VERSION,
            "RoleArn": role,
            "RoleSessionName": get("AWS_ROLE_SESSION_NAME") or "yadokari",
            "WebIdentityToken": read_file(file, _WHAT).strip(),
        }
        query = Query(
            get("AWS_ENDPOINT_URL_STS") or get("AWS_ENDPOINT_URL") or f"https://{place}/",
            {"Content-Type": "application/x-www-form-urlencoded"},
            "POST",
            urlencode(form).encode(),
        )
        answer = told(query, self.http, f"{_WHAT} for the role {role}").decode("utf-8", "replace")
        names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        found = [re.search(f"<{name}>([^<]+)</{name}>", answer) for name in names]
        return _keys(*(match[1] if match else "" for match in found))

    def _of_file(self) -> AwsKeys | None:
        get = self.environment.get
        file = get("AWS_SHARED_CREDENTIALS_FILE") or f"{get('HOME') or '/root'}/.aws/credentials"
        if not Path(file).is_file():
            return None
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(read_file(file, _WHAT))
        except configparser.Error:
            raise ContextError(f"{_WHAT}: {file} cannot be read: it is not of AWS's form") from None
        profile = get("AWS_PROFILE") or "default"
        if profile not in parser or "aws_access_key_id" not in parser[profile]:
            return None
        section = parser[profile]
        return _keys(
            section["aws_access_key_id"],
            section.get("aws_secret_access_key", ""),
            section.get("aws_session_token", ""),
        )

    def _of_pod(self) -> AwsKeys | None:
        get = self.environment.get
        url = get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "")
        if relative := get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
            url = _POD_SERVICE + relative
        if not url:
            return None
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in _POD_HOSTS:
            raise ContextError(
                f"{_WHAT}: AWS_CONTAINER_CREDENTIALS_FULL_URI must be one of the pod, or https"
            )
        file = get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        token = read_file(file, _WHAT).strip() if file else get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
        query = Query(url, {"Authorization": token} if token else {})
        return _of_json(told(query, self.nearby, f"{_WHAT} for the pod"))

    def _of_instance(self) -> AwsKeys | None:
        get = self.environment.get
        if get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            return None
        service = (get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or _INSTANCE_SERVICE).rstrip("/")
        lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "300"}
        token = told_nearby(Query(f"{service}/latest/api/token", lifetime, "PUT"), self.nearby)
        if token is None:
            return None
        headers = {"X-aws-ec2-metadata-token": token.decode("ascii", "replace")}
        roles = told_nearby(Query(f"{service}/{_ROLES}", headers), self.nearby)
        if not roles:
            return None
        role = roles.decode("utf-8", "replace").split("\n")[0]
        return _of_json(
            told(Query(f"{service}/{_ROLES}{role}", headers), self.nearby, f"{_WHAT} for the node")
        )


def _of_json(answer: bytes) -> AwsKeys:
    found = texts(answer, _WHAT)
    return _keys(*(found.get(name, "") for name in ("AccessKeyId", "SecretAccessKey", "Token")))


def _keys(identity: str, secret: str, token: str) -> AwsKeys:
    if not (identity and secret):
        raise ContextError(f"{_WHAT}: what was found is not complete")
    return AwsKeys(identity, secret, token)

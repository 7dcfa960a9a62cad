"""Signatures of requests to AWS, version 4 (docs.aws.amazon.com, "Signature Version 4")."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from urllib.parse import urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class AwsKeys:
    """Credentials of AWS; `token` belongs to those that are temporary."""

    identity: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)


def signed(
    url: str,
    keys: AwsKeys,
    region: str,
    service: str,
    time: datetime,
    *,
    method: str = "GET",
    body: bytes = b"",
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Mapping[str, str]:
    """Return a request's headers, those given (names in lower case) among them.

    The URL has no query, its path is encoded as it is sent.
    """
    parts = urlsplit(url)
    stamp = time.strftime("%Y%m%dT%H%M%SZ")
    content = hashlib.sha256(body).hexdigest()
    headers = {**headers, "host": parts.netloc, "x-amz-content-sha256": content, "x-amz-date": stamp}
    if keys.token:
        headers["x-amz-security-token"] = keys.token
    names = ";".join(sorted(headers))
    lines = [f"{name}:{headers[name]}" for name in sorted(headers)]
    request = "\n".join([method, parts.path or "/", "", *lines, "", names, content])
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = "\n".join([_ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{keys.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    del headers["host"]
    credential = f"{_ALGORITHM} Credential={keys.identity}/{scope}"
    return {**headers, "Authorization": f"{credential}, SignedHeaders={names}, Signature={signature}"}

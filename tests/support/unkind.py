"""A server that registries and archives are asked of in vain: it refuses, fails or takes for ever."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_ERRORS = {401: "UNAUTHORIZED", 404: "NOT_FOUND", 503: "UNAVAILABLE"}


@contextmanager
def unkind_server(address: str) -> Iterator[str]:
    """Serve over plain HTTP at an address; yields host and port.

    Repositories below `refusing/` take no credentials, those below `failing/` answer 503, those below
    `stalling/` take what is pushed and never say so, and manifests of those below `broken/` are none. No file
    is there; those below `failing/` answer 503.
    """
    is_over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            place = self.path.removeprefix("/v2").split("/")[1]
            if self.path == "/v2/":
                self.say(200)
            elif place == "refusing":
                self.say(401, **{"WWW-Authenticate": "Basic realm=unkind"})
            elif place == "failing":
                self.say(503)
            elif place == "broken" and "/manifests/" in self.path:
                self.say(200, **{"Content-Type": "application/vnd.oci.image.manifest.v1+json"})
            elif place == "stalling" and self.command == "POST":
                self.say(202, Location=f"{self.path.rstrip('/')}/1")
            elif place == "stalling" and self.command in ("PATCH", "PUT"):
                is_over.wait()
            else:
                self.say(404)

        do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815

        def say(self, code: int, **headers: str) -> None:
            body = json.dumps({"errors": [{"code": _ERRORS[code]}]} if code in _ERRORS else {}).encode()
            self.send_response(code)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    with Server((address, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"{address}:{server.server_port}"
        finally:
            is_over.set()
            server.shutdown()
            thread.join()

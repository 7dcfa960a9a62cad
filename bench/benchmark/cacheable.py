"""A server of what is elsewhere on the web that lets everybody keep it, as mirrors often forget to."""

import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PATIENCE = 60


@contextmanager
def cacheable() -> Iterator[str]:
    """Listen on the loopback interface, HOST:PORT: what is at https://HOST/PATH is at /HOST/PATH."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        with urllib.request.urlopen(f"https:/{self.path}", timeout=_PATIENCE) as found:
            data = found.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "public, max-age=31536000, immutable")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Tell nothing: pip tells what fails."""

"""A git server that gives away one pack, whatever is in it (gitprotocol-http(5), gitformat-pack(5))."""

import hashlib
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KINDS = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}
OFFSET_DELTA, REFERENCE_DELTA = 6, 7


def identity(kind: str, content: bytes) -> bytes:
    """Return the 20 bytes that name an object."""
    return hashlib.sha1(b"%b %d\0%b" % (kind.encode(), len(content), content)).digest()


def tree(*entries: tuple[bytes, bytes, bytes]) -> bytes:
    """Return a tree of modes, names and identities."""
    return b"".join(b"%b %b\0%b" % entry for entry in entries)


def commit(of: bytes, more: bytes = b"") -> bytes:
    """Return a commit of the tree with that identity."""
    who = b"a <a@b> 1000000000 +0000"
    return b"tree %b\nauthor %b\ncommitter %b\n%b\nx\n" % (of.hex().encode(), who, who, more)


def entry(kind: int, content: bytes, *, size: int | None = None, base: bytes = b"") -> bytes:
    """Return an object as it is in a pack; `size` is what its header says."""
    left = len(content) if size is None else size
    head = [kind << 4 | left & 15]
    left >>= 4
    while left:
        head[-1] |= 0x80
        head.append(left & 0x7F)
        left >>= 7
    return bytes(head) + base + zlib.compress(content, 1)


def number(value: int) -> bytes:
    """Return a size as deltas have it."""
    parts = [value & 0x7F]
    while value := value >> 7:
        parts[-1] |= 0x80
        parts.append(value & 0x7F)
    return bytes(parts)


def pack(entries: Iterable[bytes], *, count: int | None = None) -> bytes:
    """Return a pack of such objects; `count` is what its header says."""
    made = list(entries)
    data = b"PACK" + (2).to_bytes(4) + (len(made) if count is None else count).to_bytes(4) + b"".join(made)
    return data + hashlib.sha1(data).digest()


def objects(**kinds: bytes) -> list[bytes]:
    """Return objects, by their kind, as they are in a pack."""
    return [entry(KINDS[kind], content) for kind, content in kinds.items()]


@contextmanager
def hostile_git(head: bytes, packed: bytes) -> Iterator[str]:
    """Serve a pack whose commit is `head` (20 bytes) to whoever asks for anything; gives the address."""
    name = head.hex().encode()
    refs = b"%b HEAD\0symref=HEAD:refs/heads/main shallow agent=x\n" % name
    advertised = _line(b"# service=git-upload-pack\n") + b"0000" + _line(refs) + b"0000"

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say("advertisement", advertised)

        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            shallow = _line(b"shallow %b\n" % name) + b"0000" if b"deepen" in asked else b""
            self._say("result", shallow + _line(b"NAK\n") + packed)

        def _say(self, what: str, data: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", f"application/x-git-upload-pack-{what}")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def _line(data: bytes) -> bytes:
    return b"%04x%b" % (len(data) + 4, data)

"""libssh, as far as a client needs it (api.libssh.org): a C library of 0.5 MB.

Python's own ssh libraries bring a second OpenSSL with them, which makes the image a third larger.
"""

import ctypes
from ctypes import POINTER, c_char_p, c_int, c_uint32, c_void_p
from enum import IntEnum

from yadokari_builder.errors import ContextError

LIBSSH = "libssh.so.4"
"""Its name, which stands for an interface that does not change."""

OK = 0
ERROR = -1
AGAIN = -2
EOF = -127


class Option(IntEnum):
    """What of a session can be set (ssh_options_e); a pointer to its value is given."""

    HOST = 0
    PORT = 1
    DESCRIPTOR = 3
    USER = 4
    FOLDER = 5
    KNOWN_HOSTS = 8
    TIMEOUT = 9
    HOST_KEYS = 25
    GLOBAL_KNOWN_HOSTS = 35
    PROCESS_CONFIG = 38
    AGENT = 42


# Names without the ssh_ before them, what they return, what they take.
_FUNCTIONS = {
    "new": (c_void_p,),
    "free": (None, c_void_p),
    "options_set": (c_int, c_void_p, c_int, c_void_p),
    "connect": (c_int, c_void_p),
    "disconnect": (None, c_void_p),
    "get_error": (c_char_p, c_void_p),
    "get_server_publickey": (c_int, c_void_p, POINTER(c_void_p)),
    "pki_export_pubkey_base64": (c_int, c_void_p, POINTER(c_void_p)),
    "pki_import_privkey_base64": (c_int, c_char_p, c_char_p, c_void_p, c_void_p, POINTER(c_void_p)),
    "string_free_char": (None, c_void_p),
    "key_free": (None, c_void_p),
    "userauth_publickey": (c_int, c_void_p, c_char_p, c_void_p),
    "userauth_agent": (c_int, c_void_p, c_char_p),
    "channel_new": (c_void_p, c_void_p),
    "channel_open_session": (c_int, c_void_p),
    "channel_request_env": (c_int, c_void_p, c_char_p, c_char_p),
    "channel_request_exec": (c_int, c_void_p, c_char_p),
    "channel_read_timeout": (c_int, c_void_p, c_void_p, c_uint32, c_int, c_int),
    "channel_poll": (c_int, c_void_p, c_int),
    "channel_write": (c_int, c_void_p, c_char_p, c_uint32),
}


def load_library() -> ctypes.CDLL:
    """Load the library, with the types of its functions; raises ContextError where it is not."""
    try:
        library = ctypes.CDLL(LIBSSH)
    except OSError:
        raise ContextError(f"git over ssh needs {LIBSSH}, which is not there") from None
    for name, (result, *taken) in _FUNCTIONS.items():
        function = getattr(library, f"ssh_{name}")
        function.restype, function.argtypes = result, taken
    return library

"""How the plugin fails."""


class PluginError(Exception):
    """What went wrong, where, and what to do, on one line; `code` is the plugin's exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code

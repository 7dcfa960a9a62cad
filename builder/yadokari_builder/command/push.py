"""`push PATH -d REFERENCE`: pushes an image that was built before, from an archive or an OCI layout."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from yadokari_builder.build.delivering.destinations import read_destinations
from yadokari_builder.build.registries import open_registries
from yadokari_builder.command import report
from yadokari_builder.command.failures import exit_code
from yadokari_builder.outputs.stored import open_stored
from yadokari_builder.registry.push import Pusher
from yadokari_contract.arguments import parse_push


def run(arguments: Sequence[str], environment: Mapping[str, str], out: TextIO, log: TextIO) -> int:
    """Push what is in a file or folder as it is, and write its digest to `out`; returns the exit code."""

    def push() -> None:
        path, spec = parse_push(arguments, environment)
        report.configure(
            log, spec.verbosity, spec.log_format, timestamp=spec.log_timestamp, environment=environment
        )
        destinations = read_destinations(spec)
        with Pusher(
            open_registries(spec, environment).pushing,
            destinations,
            keeps_immutable=spec.push_ignore_immutable_tag_errors,
        ) as pusher:
            if not spec.skip_push_permission_check:
                pusher.check()
            stored = open_stored(path, Path(tempfile.gettempdir()))
            for layer in stored.layers:
                pusher.add_layer(layer)
            out.write(f"{pusher.finish(stored.image)}\n")

    report.configure(log, "info", "text")
    return exit_code(push)

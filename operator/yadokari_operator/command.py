"""Run the operator: read its settings, log, serve its metrics, work."""

import asyncio
import logging
import os
import secrets
import socket
import sys

from kubernetes.config import ConfigException

from yadokari_operator.cluster.api import Api
from yadokari_operator.exposition import check_free, serve
from yadokari_operator.handlers.operator import run
from yadokari_operator.journal import formatter
from yadokari_operator.metrics import Metrics
from yadokari_operator.settings import Settings, SettingsError, no_settings

logger = logging.getLogger(__name__)


def set_up_logging(settings: Settings) -> None:
    """Log to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(formatter(settings.log_format))
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler])
    # kopf tells of every event of every resource, aiohttp of every probe; only their troubles are news here.
    for name in ("kopf", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # Connections of many logs are more than are kept when they end, which is no news.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    # Of a probe that fails it would show where, and not why.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)


def main() -> int:
    """Run until stopped; tells the exit status."""
    try:
        settings = Settings.from_environment(os.environ)
        metrics = Metrics()
        api = Api.connect(metrics.failed)
    except SettingsError as error:
        print(f"yadokari operator: {error}", file=sys.stderr)  # noqa: T201
        return 2
    except ConfigException as error:
        print(f"yadokari operator: no cluster to work in: {error}", file=sys.stderr)  # noqa: T201
        return 1
    set_up_logging(settings)
    # No error: it may be a setting of the next version, or what Kubernetes says of a Service of this name.
    for name, meant in no_settings(os.environ):
        hint = f": did you mean {meant}?" if meant else ""
        logger.warning("%s is no setting and changes nothing%s", name, hint)
    try:
        place = f"YADOKARI_METRICS_ADDRESS is {settings.metrics_address}"
        serve(metrics.registry, settings.metrics_address)
        place = f"YADOKARI_HEALTH_ADDRESS is {settings.health_address}"
        check_free(settings.health_address)
    except OSError as error:
        logger.error("%s: it must be a free port of an address of this machine: %s", place, error)
        return 1
    me = settings.identity or f"{socket.gethostname()}_{secrets.token_hex(4)}"
    return 1 if asyncio.run(run(api, settings, me, metrics)) else 0

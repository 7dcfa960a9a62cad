"""`python -m yadokari_operator`: the operator, with settings from environment variables YADOKARI_*."""

import os
import signal
import sys

# What follows takes a second to load, and nothing ends process 1 of a container that it does not handle.
# Until the operator sees to signals itself there is nothing to put in order, and an exception might be lost.
for _one in (signal.SIGTERM, signal.SIGINT):
    signal.signal(_one, lambda *_: os._exit(0))

from yadokari_operator.command import main  # noqa: E402

sys.exit(main())

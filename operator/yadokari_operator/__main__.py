"""`python -m yadokari_operator`: the operator, with settings from environment variables YADOKARI_*."""

import os
import signal
import sys

# What follows takes a second to load, and nothing ends process 1 of a container that it does not handle. There
# is nothing to put in order before the operator sees to signals itself, and an exception may come up anywhere.
for _one in (signal.SIGTERM, signal.SIGINT):
    signal.signal(_one, lambda *_: os._exit(0))

from yadokari_operator.command import main  # noqa: E402

sys.exit(main())

"""`python -m yadokari_operator`: the operator, with settings from environment variables YADOKARI_*."""

import signal
import sys

# What follows takes a second to load, and nothing ends process 1 of a container that it does not handle.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

from yadokari_operator.command import main  # noqa: E402

sys.exit(main())

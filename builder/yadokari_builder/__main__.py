"""`python -m yadokari_builder`: the executor."""

import os
import sys
from pathlib import Path

from yadokari_builder.command.verbs import run

sys.exit(run(sys.argv[1:], dict(os.environ), Path("/"), sys.stdout, sys.stderr))

"""`python -m yadokari_builder`: the executor."""

import gc
import os
import sys
from pathlib import Path

from yadokari_builder.command.verbs import run

# What is imported stays, and looking for garbage in it takes time; `guard` turns that on for the steps.
gc.disable()
sys.exit(run(sys.argv[1:], dict(os.environ), Path("/"), sys.stdout, sys.stderr))

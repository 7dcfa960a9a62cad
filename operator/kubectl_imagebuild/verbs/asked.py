"""What a verb is given beside its own arguments."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

from kubectl_imagebuild.kubectl import Kubectl


@dataclass(frozen=True, slots=True)
class Asked:
    """A verb's arguments, the cluster, and where it writes to; `notes` are beside the output."""

    arguments: Namespace
    kubectl: Kubectl
    out: TextIO
    notes: TextIO
    environment: Mapping[str, str]

import os
import shutil
import stat
from pathlib import Path

import pytest

BUSYBOX = "/bin/busybox"


@pytest.fixture(scope="session")
def busybox_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with busybox's shell and tools; tests that write into it make a root of their own."""
    if os.geteuid() != 0 or not os.path.exists(BUSYBOX):
        pytest.skip("needs root and busybox-static")
    return make_root(tmp_path_factory.mktemp("busybox"))


@pytest.fixture
def root(tmp_path: Path, busybox_root: Path) -> Path:
    """A tree of the test's own with busybox's shell and tools."""
    root = tmp_path / "root"
    shutil.copytree(busybox_root, root, symlinks=True)
    os.mknod(root / "dev/null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    os.chmod(root / "dev/null", 0o666)
    return root


def make_root(root: Path) -> Path:
    tools = (
        "sh cat ls sleep id env mkdir rm touch stat true false seq chmod mv ln yes head setsid nohup find cp"
        " tr grep ifconfig nc readlink"
    )
    (root / "bin").mkdir()
    for folder in ("dev", "tmp", "etc", "root", "var/cache"):
        (root / folder).mkdir(parents=True)
    shutil.copy(BUSYBOX, root / "bin/busybox")
    for tool in tools.split():
        (root / "bin" / tool).symlink_to("busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n")
    os.chmod(root / "tmp", 0o1777)
    os.chmod(root, 0o755)
    return root

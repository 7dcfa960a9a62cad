"""Steps that use the kernel's calls by which one process looks into another, or changes it.

Each is tried on a child of the step as well, where it must work: or nothing would be shown. So the pod has no
seccomp profile, which refuses some of them by themselves, and the step shares the executor's container.
"""

import pytest

from support.attack import attack
from support.pod import why_no_containers

pytestmark = [
    pytest.mark.pod,
    pytest.mark.skipif(bool(why_no_containers()), reason=why_no_containers() or ""),
]

# By their numbers on x86_64.
PERL = r"""
use Errno;
$| = 1;
my $here = "x" x 64;
my $child = fork();
if (!$child) { sleep 60; exit; }
my $local = pack("QQ", unpack("Q", pack("p", $here)), 64);
sub attempt {
    my ($name, $number, @arguments) = @_;
    my $result = syscall($number, @arguments);
    # Other errors than that it is not permitted come after the question whether it is.
    print "$name: ", $result < 0 && $!{EPERM} ? "refused" : "done", "\n";
}
for my $pid ($child, 1) {
    my $whom = $pid == 1 ? "executor" : "child";
    my $handle = syscall(434, $pid, 0);
    attempt("$whom pidfd_getfd", 438, $handle, 0, 0);
    attempt("$whom process_vm_readv", 310, $pid, $local, 1, $local, 1, 0);
    attempt("$whom process_vm_writev", 311, $pid, $local, 1, $local, 1, 0);
    attempt("$whom kcmp", 312, $$, $pid, 0, 0, 0);
    attempt("$whom get_robust_list", 274, $pid, $local, $local);
    attempt("$whom ptrace", 101, 0x4206, $pid, 0, 0);
    attempt("$whom prlimit", 302, $pid, 7, pack("QQ", 32, 32), 0);
}
kill 9, $child;
"""
FILES = ("environ", "mem", "maps", "auxv", "exe", "cwd", "root", "fd/0", "pagemap", "fdinfo/0")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What a step says that has tried everything."""
    result = attack(
        tmp_path_factory.mktemp("context"),
        f"""\
FROM debian:bookworm
COPY <<'end' /attack.pl
{PERL}
end
RUN perl /attack.pl; sleep 60 & pid=$!; \\
    try() {{ if ( : < /proc/$2/$3 ) 2>/dev/null; then echo $1 $3: done; else echo $1 $3: refused; fi; }}; \\
    for file in {" ".join(FILES)}; do try child $pid $file; try executor 1 $file; done; kill $pid
""",
        "--no-push",
        "--isolation=shared",
        kind="unconfined",
    )
    assert result.exit_code == 0, result.output
    return result.output.splitlines()


@pytest.mark.parametrize(
    "call",
    ["pidfd_getfd", "process_vm_readv", "process_vm_writev", "kcmp", "get_robust_list", "ptrace", "prlimit"],
)
def test_no_call_of_a_step_looks_into_the_executor(told: list[str], call: str) -> None:
    assert f"child {call}: done" in told
    assert f"executor {call}: refused" in told


@pytest.mark.parametrize("file", FILES)
def test_no_file_in_proc_looks_into_the_executor(told: list[str], file: str) -> None:
    assert f"executor {file}: refused" in told
    assert f"child {file}: done" in told

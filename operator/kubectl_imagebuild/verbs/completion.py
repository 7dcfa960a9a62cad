"""`completion`: scripts for `kubectl-imagebuild`; kubectl's own completion needs none."""

from collections.abc import Mapping
from types import MappingProxyType

from kubectl_imagebuild.verbs.asked import Asked

_SCRIPTS: Mapping[str, str] = MappingProxyType(
    {
        "bash": """\
_kubectl_imagebuild() {
  local words
  mapfile -t words < <(COMP_LINE=${COMP_LINE:0:COMP_POINT} COMP_WORDBREAKS=$COMP_WORDBREAKS \\
    kubectl_complete-imagebuild 2>/dev/null)
  [[ ${words[-1]} == :0 ]] && compopt -o default
  unset 'words[-1]'
  COMPREPLY=("${words[@]}")
}
complete -F _kubectl_imagebuild kubectl-imagebuild
""",
        "zsh": """\
#compdef kubectl-imagebuild
_kubectl_imagebuild() {
  local -a found
  found=("${(@f)$(kubectl_complete-imagebuild "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
  if [[ $found[-1] == :0 ]]; then
    _files
  else
    compadd -- "${(@)found[1,-2]}"
  fi
}
compdef _kubectl_imagebuild kubectl-imagebuild
""",
        "fish": """\
function __kubectl_imagebuild
  set -l words (commandline -opc)[2..-1]
  set -l word (string unescape -- (commandline -ct); or commandline -ct)
  test -n "$word"; or set word ""
  set -a words $word
  set -l found (kubectl_complete-imagebuild $words 2>/dev/null)
  if test "$found[-1]" = ":0"
    __fish_complete_path (commandline -ct)
  else
    printf '%s\\n' $found | string match -v -r '^:'
  end
end
complete -c kubectl-imagebuild -f -a '(__kubectl_imagebuild)'
""",
    }
)


def run(asked: Asked) -> int:
    """Write a script; returns the exit code."""
    asked.out.write(_SCRIPTS[asked.arguments.shell])
    return 0

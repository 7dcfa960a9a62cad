# shellcheck shell=bash
# Processes of the cluster: started, recorded, found again and ended by the record alone.

# A process id comes back to other programs after a while; id and start time together do not. A process that is
# dead but not yet collected (Z) counts as none.
started_at() { # pid
  local stat
  stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  awk '$1 != "Z" { print $20; found = 1 } END { exit !found }' <<<"${stat##*) }"
}

recorded_pid() { # name
  local pid start
  read -r pid start 2>/dev/null <"$RUN_DIR/pid/$1" || return 1
  [[ -n $start && $(started_at "$pid") == "$start" ]] && echo "$pid"
}

is_running() { recorded_pid "$1" >/dev/null; }

# Starts a daemon, unless it runs, in an environment of its own: no proxy or registry setting of the caller leaks in.
start() { # name command...
  local name=$1 pid
  shift
  is_running "$name" && return
  STARTED+=" $name"
  setsid env -i PATH="$BIN_DIR:$PATH" HOME=/root "$@" </dev/null >>"$WORK_DIR/logs/$name.log" 2>&1 9>&- &
  pid=$!
  echo "$pid $(started_at "$pid")" >"$RUN_DIR/pid/$name" || die "$name ended at once; see $WORK_DIR/logs/$name.log"
}

send() { # signal names...
  local signal=$1 name pid
  shift
  for name; do
    if pid=$(recorded_pid "$name"); then kill "-$signal" "$pid" 2>/dev/null || true; fi
  done
}

wait_until() { # seconds what-is-awaited command...
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < end)) || die "waited in vain: $what. The logs are in $WORK_DIR/logs"
    sleep 0.1
  done
}

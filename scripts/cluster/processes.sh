# Processes with a pid file. A pid alone may have been given to somebody else's process, so the file holds the time of its
# start as well, and nothing is ever ended by name.

start_time() { awk '{sub(/.*\) /, ""); print $20}' "/proc/$1/stat" 2>/dev/null; }

pid_of() { # name; fails when it does not run
  local pid started
  [ -s "$RUN/$1.pid" ] && read -r pid started <"$RUN/$1.pid" && [ -n "$started" ] && [ "$(start_time "$pid")" = "$started" ] && echo "$pid"
}

is_running() { pid_of "$1" >/dev/null; }

remember() { echo "$2 $(start_time "$2")" >"$RUN/$1.pid"; }

first_child() { local children; children=$(cat "/proc/$1/task/$1/children") && [ -n "$children" ] && echo "${children%% *}"; }

# Runs a command as the node would: in its mount, network and PID namespaces.
inside() { nsenter -t "$(pid_of init)" -m -n -p -- "$@"; }

# Starts a component of the node, unless it runs. nsenter forks for the PID namespace: the child is the component.
spawn() { # name command...
  local name=$1 init entering
  shift
  is_running "$name" && return 0
  init=$(pid_of init) # not in the line below: its subshell would be taken for the component
  setsid nsenter -t "$init" -m -n -p -- "$@" >>"$LOG/$name.log" 2>&1 </dev/null 9>&- &
  entering=$!
  wait_until 10 "the start of $name" first_child $entering || { tail -n 20 "$LOG/$name.log" >&2; return 1; }
  remember "$name" "$(first_child $entering)"
}

# An API server waits a minute for its watchers when it is asked to end: whoever stops it here does not.
finish() { # name signal
  local pid
  pid=$(pid_of "$1") || return 0
  kill "-$2" "$pid" 2>/dev/null || true
  wait_until 5 "the end of $1" not_running "$1" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true
  wait_until 20 "the end of $1" not_running "$1"
  rm -f "$RUN/$1.pid"
}

not_running() { ! is_running "$1"; }

# Functions of the scripts that start and stop services; to be sourced. A service has one folder, $home, and each of its
# processes names that folder in its command line. A process id alone is never trusted, because ids are reused.
set -euo pipefail

mkdir -p "$home"/{run,log}
exec 9>"$home/lock"
flock -w 1800 9 || { echo "another start or stop of $home is still running after half an hour: end it and retry" >&2; exit 1; }

say() { printf '  %s\n' "$*"; }
fail() { printf '  %s\n' "$*" >&2; exit 1; }
need_root() { [ "$(id -u)" = 0 ] || fail "$1 must be started by root, or: $2"; }

# names_home PID: whether the process belongs to the service.
names_home() { [ -n "${1:-}" ] && tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF -- "$home/"; }
pid_of() { cat "$home/run/$1.pid" 2>/dev/null || true; }
alive() { names_home "$(pid_of "$1")"; }

# launch NAME COMMAND…: starts the command in a new session, unless it already runs.
launch() {
  local name=$1; shift
  alive "$name" && return 0
  [ -s "$home/log/$name.log" ] && mv -f "$home/log/$name.log" "$home/log/$name.log.previous"
  setsid nohup "$@" >"$home/log/$name.log" 2>&1 </dev/null 9>&- &
  echo $! >"$home/run/$name.pid"
}

# wait_for SECONDS NAME COMMAND…: waits until the command succeeds; on a failure, shows the end of NAME's log.
wait_for() {
  local until=$((SECONDS + $1)) name=$2; shift 2
  until timeout 10 "$@" >/dev/null 2>&1 9>&-; do
    if ! alive "$name" || [ $SECONDS -ge $until ]; then
      tail -n 15 "$home/log/$name.log" >&2 || true
      alive "$name" && fail "$name does not answer; its log is $home/log/$name.log"
      fail "$name ended; its log is $home/log/$name.log"
    fi
    sleep 0.1
  done
}

# end NAME SECONDS: stops the process with SIGTERM, and after the time with SIGKILL.
end() {
  local pid; pid=$(pid_of "$1")
  if alive "$1"; then
    kill "$pid" 2>/dev/null || true
    for _ in $(seq $(($2 * 10))); do names_home "$pid" || break; sleep 0.1; done
    names_home "$pid" && kill -9 "$pid" 2>/dev/null || true
  fi
  rm -f "$home/run/$1.pid"
}

# Lists the service's remaining processes that name the folder, such as shims of containers.
leftovers() {
  local at
  for at in /proc/[0-9]*; do
    names_home "${at#/proc/}" || continue
    case $(readlink "$at/exe" 2>/dev/null) in */containerd* | */dockerd | */runc | */etcd | "$home"/*) echo "${at#/proc/}" ;; esac
  done
}
end_leftovers() { leftovers | xargs -r kill -9 2>/dev/null || true; }

unmount_below() { awk -v at="$1/" 'index($2, at) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount -l; }

# remove_rules PATTERN: removes every matching packet rule and chain, in one step for each table.
remove_rules() {
  local tool table rules
  for tool in iptables ip6tables; do
    for table in filter nat mangle; do
      rules=$("$tool-save" -c -t $table 2>/dev/null) || continue
      grep -qE -- "$1" <<<"$rules" || continue
      grep -vE -- "$1" <<<"$rules" | "$tool-restore" -c || say "the $tool rules of table $table could not be removed"
    done
  done
}

# remove_cgroups NAME: removes the groups that containers leave in each hierarchy, and processes whose shim was killed.
remove_cgroups() {
  local procs
  for procs in $(find /sys/fs/cgroup -path "*/$1/*" -name cgroup.procs 2>/dev/null); do
    xargs -r kill -9 <"$procs" 2>/dev/null || true
  done
  sleep 0.1
  find /sys/fs/cgroup -depth -type d \( -path "*/$1" -o -path "*/$1/*" \) -exec rmdir {} + 2>/dev/null || true
}

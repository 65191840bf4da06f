# The node's namespaces: a network of its own with a cable to the host, its own mounts and processes. Everything that runs
# on the node hangs on one process, so that ending this one leaves no process, mount, route or iptables rule.

# The kubelet sets these for the whole machine.
SYSCTLS="vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes"

sandbox_up() {
  is_running init && return 0
  with_machine enter_machine
  cgroups_up
  setsid unshare --mount --net --pid --fork --kill-child --mount-proc "$PAUSE" >>"$LOG/init.log" 2>&1 </dev/null 9>&- &
  local unshared=$!
  wait_until 10 "the node's first process" is_pause $unshared || { cat "$LOG/init.log" >&2; kill $unshared; return 1; }
  remember init "$(first_child $unshared)"
  cable_up
  inside bash -euc "
    mount --make-rshared /
    mount -t tmpfs tmpfs /run && mkdir -p /run/netns
    mount --bind '$STATE/var-log' /var/log
    mount -t tmpfs tmpfs /var/lib/cni
    mount -t tmpfs tmpfs /var/lib/kubelet"
}

is_pause() { local child; child=$(first_child "$1") && [ "$(cat "/proc/$child/comm")" = pause ]; }

cable_up() {
  ip link add "$LINK" type veth peer name eth0 netns "$(pid_of init)"
  ip addr add "$HOST_IP/30" dev "$LINK"
  ip link set "$LINK" up
  inside bash -euc "
    ip link set lo up
    ip addr add $NODE_IP/30 dev eth0 && ip link set eth0 up && ip route add default via $HOST_IP
    sysctl -qw net.ipv4.ip_forward=1
    sysctl -qw net.bridge.bridge-nf-call-iptables=1 2>/dev/null || true"
  # Tests reach pods and Services from the host.
  ip route replace "$PODS" via "$NODE_IP"
  ip route replace "$SERVICES" via "$NODE_IP"
}

# Version 1 has a tree for each controller, version 2 has one for all of them. All pods together count as one process where the
# processor is shared out; a busy machine would starve them without the greater weight.
cgroups_up() {
  local tree
  if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    sed 's/\(\S\+\)/+\1/g' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || true
    mkdir -p "/sys/fs/cgroup/$CGROUP"
    sed 's/\(\S\+\)/+\1/g' "/sys/fs/cgroup/$CGROUP/cgroup.controllers" >"/sys/fs/cgroup/$CGROUP/cgroup.subtree_control"
    echo 800 >"/sys/fs/cgroup/$CGROUP/cpu.weight" || true
    return
  fi
  for tree in /sys/fs/cgroup/{cpu,cpuacct,cpuset,memory,devices,freezer,blkio,pids,systemd,hugetlb,perf_event,net_cls,net_prio}; do
    [ -f "$tree/cgroup.procs" ] || continue
    mkdir -p "$tree/$CGROUP"
    case ${tree##*/} in
      cpu) echo 8192 >"$tree/$CGROUP/cpu.shares" ;;
      cpuset) # empty in a new one, and then nothing may run in it
        cat "$tree/cpuset.cpus" >"$tree/$CGROUP/cpuset.cpus"
        cat "$tree/cpuset.mems" >"$tree/$CGROUP/cpuset.mems"
        ;;
    esac
  done
}

sandbox_down() {
  finish init TERM
  ip link del "$LINK" 2>/dev/null || true # takes its routes with it
  ip route del "$PODS" via "$NODE_IP" 2>/dev/null || true
  ip route del "$SERVICES" via "$NODE_IP" 2>/dev/null || true
  wait_until 20 "the end of the cgroups $CGROUP" cgroups_down
  with_machine leave_machine
}

# What all clusters share. The first one notes how it was, the last one puts it back.
with_machine() { (flock 8 && "$1") 8>"$CLUSTERS/machine.lock"; }

enter_machine() {
  local name
  touch "$RUN/uses-machine"
  mkdir -p /var/lib/cni /var/lib/kubelet # paths that components have built in; mounts of the node cover them
  [ -s "$CLUSTERS/sysctls" ] || for name in $SYSCTLS; do echo "$name=$(sysctl -n "$name")"; done >"$CLUSTERS/sysctls"
}

leave_machine() {
  rm -f "$RUN/uses-machine"
  ! ls "$CLUSTERS"/*/run/uses-machine >/dev/null 2>&1 && [ -s "$CLUSTERS/sysctls" ] || return 0
  rmdir --ignore-fail-on-non-empty /var/lib/cni /var/lib/kubelet || true
  xargs -n1 sysctl -qw <"$CLUSTERS/sysctls" || true
  rm -f "$CLUSTERS/sysctls"
}

# A cgroup can be removed a moment after its last process ended.
cgroups_down() {
  local tree
  for tree in $(our_cgroups); do find "$tree" -depth -type d -exec rmdir {} + 2>/dev/null || true; done
  [ -z "$(our_cgroups)" ]
}

our_cgroups() { find /sys/fs/cgroup -maxdepth 2 -type d -name "$CGROUP"; }

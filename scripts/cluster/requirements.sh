# What a machine must have. Prints every reason why a cluster cannot run here; none is good.

requirements() {
  [ "$(uname -s)" = Linux ] || { echo "a node runs on Linux only; this is $(uname -s)"; return; }
  [ "$(id -u)" = 0 ] || { echo "a node needs root (namespaces, mounts, cgroups): run it with sudo"; return; }
  bash "$REPOSITORY/scripts/servers/packages.sh" containerd runc containernetworking-plugins iptables conntrack iproute2 openssl curl 2>&1 |
    grep -v '^installing' || true
  local tool
  for tool in containerd ctr runc iptables ip openssl curl unshare nsenter /usr/lib/cni/bridge; do
    command -v "$tool" >/dev/null || echo "$tool is not there"
  done
  command -v go >/dev/null || echo "go is not there: Go 1.26 or newer builds Kubernetes (https://go.dev/dl)"
  unshare --mount --net --pid --fork true 2>/dev/null || echo "this root may not make namespaces (a container without privileges, say)"
  cgroups_may_be_made || echo "cgroups cannot be made in /sys/fs/cgroup"
  ip link add wp$$ type veth peer name wq$$ 2>/dev/null && ip link del wp$$ || echo "this root may not make network links (veth)"
}

cgroups_may_be_made() {
  local tree=/sys/fs/cgroup
  [ -f $tree/cgroup.controllers ] || tree=/sys/fs/cgroup/memory
  mkdir "$tree/weir-probe-$$" 2>/dev/null && rmdir "$tree/weir-probe-$$"
}

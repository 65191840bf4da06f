#!/usr/bin/env bash
# A real Kubernetes with one node, in its own network, mount and PID namespaces of this machine. Needs root on Linux, no
# container engine, no image registry. README.md has the whole picture.
source "$(dirname "${BASH_SOURCE[0]}")/settings.sh"
for part in requirements processes sandbox certificates control-plane node images volumes; do source "$HERE/$part.sh"; done

usage() {
  cat >&2 <<'TEXT'
usage: [CLUSTER=0] cluster.sh COMMAND
  check             says what is missing on this machine (exit code 3), or nothing
  reserve           prints a free cluster number, and keeps it for the calling process
  up                brings the cluster up; what runs already is left alone
  down              ends it; nothing is left of it
  load ARCHIVE      loads an image
  inside COMMAND…   runs a command in the node's namespaces
  stop NAME         ends a component (SIGTERM); kill NAME the hard way
  start NAME        starts it again and waits until it serves
                    NAME: etcd, apiserver, controllers, scheduler, containerd, kubelet, proxy
  recycle VOLUME    empties a released volume and offers it again
  memory            resident memory of each component
TEXT
  exit 2
}

up() {
  local began
  began=$(now)
  check
  binaries
  mkdir -p "$STATE" "$RUN" "$LOG" "$PKI" "$VOLUMES"
  exec 9>"$STATE/lock"
  flock 9
  is_running init || trap give_up EXIT
  node_files
  certificates
  sandbox_up
  start_containerd
  await_containerd
  load_system_images & # beside the control plane's start
  local loading=$!
  control_plane_up
  start_kubelet
  start_proxy
  volumes | kubectl apply -f - >/dev/null
  sed "s/DNS_IP/$DNS_IP/" "$HERE/manifests/coredns.yaml" | kubectl apply -f - >/dev/null
  await_node
  wait $loading
  kubectl -n kube-system rollout status deployment/coredns --timeout=120s >/dev/null
  trap - EXIT
  mkdir -p "$(dirname "$KUBECONFIG_COPY")"
  install -m 600 "$ADMIN" "$KUBECONFIG_COPY"
  cat <<TEXT
cluster $CLUSTER is up after $((($(now) - began) / 1000)).$((($(now) - began) % 1000 / 100)) s: Kubernetes $("$KUBE" kubectl version --client 2>/dev/null | sed -n 's/^Client Version: //p'), one node

  export KUBECONFIG=$KUBECONFIG_COPY
  alias kubectl='$KUBE kubectl'
  make image && CLUSTER=$CLUSTER bash scripts/cluster/cluster.sh load dist/weir.tar
  make cluster-down CLUSTER=$CLUSTER
TEXT
}

# Half a cluster is worse than none. Its logs are all that explains it.
give_up() {
  echo "cluster $CLUSTER did not come up; the ends of its logs:" >&2
  tail -n 5 "$LOG"/*.log >&2 || true
  sandbox_down
  rm -rf "$STATE"
}

load_system_images() { local archive; system_images | while read -r archive; do load_image "$archive"; done; }

down() {
  [ -d "$STATE" ] || { echo "cluster $CLUSTER is not there"; return; }
  mkdir -p "$RUN" # of one that was only reserved
  exec 9>"$STATE/lock"
  flock 9
  sandbox_down
  rm -rf "$STATE" "$KUBECONFIG_COPY"
  rmdir --ignore-fail-on-non-empty "$(dirname "$KUBECONFIG_COPY")" 2>/dev/null || true
  echo "cluster $CLUSTER is gone"
}

check() {
  local missing
  missing=$(requirements)
  [ -z "$missing" ] && return
  echo "no cluster can run on this machine:" >&2
  sed 's/^/  /' <<<"$missing" >&2
  exit 3
}

reserve() {
  local number
  check
  mkdir -p "$CLUSTERS"
  for number in $(seq 0 $MAX_CLUSTER); do
    settings "$number"
    is_abandoned && down >/dev/null
    is_network_free && mkdir "$STATE" 2>/dev/null || continue # mkdir decides between two that ask at once
    echo "$PPID $(start_time "$PPID")" >"$STATE/owner"
    echo "$number"
    return
  done
  echo "all $MAX_CLUSTER cluster numbers are in use; see $CLUSTERS" >&2
  exit 1
}

# The process that reserved it ended without `down`. Clusters of `make cluster-up` have no owner and stay.
is_abandoned() {
  local pid started
  [ -s "$STATE/owner" ] && read -r pid started <"$STATE/owner" && [ "$(start_time "$pid")" != "$started" ]
}

is_network_free() {
  ! ip link show "$LINK" >/dev/null 2>&1 && [ -z "$(ip route show "$PODS")$(ip route show "$SERVICES")" ]
}

start() {
  binaries
  "start_$1"
  case $1 in
    apiserver) await_apiserver ;;
    containerd) await_containerd ;;
    kubelet) await_node ;;
  esac
}

recycle() {
  binaries
  rm -rf "${VOLUMES:?}/$1"
  mkdir -p "$VOLUMES/$1"
  kubectl patch pv "$1" --type=json -p '[{"op": "remove", "path": "/spec/claimRef"}]' >/dev/null 2>&1 || true
}

memory() {
  local name
  for name in etcd apiserver controllers scheduler containerd kubelet proxy; do
    is_running $name && awk -v name=$name '/^VmRSS/ {printf "%-12s %4d MiB\n", name, $2 / 1024}' "/proc/$(pid_of $name)/status"
  done
}

is_component() { [[ ${1:-} =~ ^(etcd|apiserver|controllers|scheduler|containerd|kubelet|proxy)$ ]] || usage; }
is_up() { is_running init || { echo "cluster $CLUSTER is not up: make cluster-up CLUSTER=$CLUSTER" >&2; exit 1; }; }

command=${1:-}
shift || true
settings "${CLUSTER:-0}"
case $command in
  check | up | down | reserve) "$command" ;;
  memory) is_up && memory ;;
  load) is_up && load_image "${1:?ARCHIVE}" ;;
  inside) is_up && inside "$@" ;;
  recycle) is_up && recycle "${1:?VOLUME}" ;;
  stop) is_component "$@" && is_up && finish "$1" TERM ;;
  kill) is_component "$@" && is_up && finish "$1" KILL ;;
  start) is_component "$@" && is_up && start "$1" ;;
  *) usage ;;
esac

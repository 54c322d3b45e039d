# Names and numbers that the scripts of Kubernetes share; to be sourced after shared.sh. Ports and networks are ones that
# neither another cluster nor Docker or Podman uses.
node=wharf-node
network=wharf-engines
pods=10.231.0.0/24
services=10.232.0.0/16
first_service=10.232.0.1
api_port=16443
admin=$home/admin.kubeconfig
programs="kube-proxy kubelet kube-scheduler kube-controller-manager kube-apiserver etcd containerd"

kubectl() { timeout 30 "$home/bin/kubectl" --kubeconfig "$admin" "$@"; }
ctr() { timeout 120 /usr/bin/env ctr --address "$home/containerd.sock" --namespace k8s.io "$@"; }

# Removes containers without a kubelet, and their files outside the folder.
remove_containers() {
  local one
  for one in $(ctr tasks list --quiet 2>/dev/null); do ctr tasks kill --signal 9 "$one" || true; done >/dev/null 2>&1
  for one in $(ctr containers list --quiet 2>/dev/null); do
    ctr tasks remove --force "$one" || true
    ctr containers remove "$one" || true
    rm -f /var/lib/cni/results/*-"$one"-*
  done >/dev/null 2>&1
  # The kubelet has a fixed folder for logs. Newer files belong to it, unless another kubelet runs. An exited kubelet may
  # remain in the list of processes if its exit status is never read.
  if [ -e "$home/kubelet.started" ] && ! pgrep --exact --runstates D,R,S kubelet >/dev/null; then
    find /var/log/pods -mindepth 1 -maxdepth 1 -newer "$home/kubelet.started" -exec rm -rf {} + 2>/dev/null || true
  fi
  find -L /var/log/containers -maxdepth 1 -type l -delete 2>/dev/null || true # links to nothing
}

remove_network() {
  local one
  for one in $(ip netns list 2>/dev/null | awk '/^cni-/ { print $1 }'); do
    ip -netns "$one" -4 addr show 2>/dev/null | grep -qF " ${pods%.*}." && ip netns delete "$one"
  done
  rm -rf "$home/addresses" /var/lib/cni/results/"$network"-*
}

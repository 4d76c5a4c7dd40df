#!/usr/bin/env bash
# Makes a real kube-apiserver and kube-controller-manager, once, and prints the directory they lie in.
#
#   tests/world/kubernetes/build.sh     everything it says but that path goes to stderr
#
# There is no binary of them in any package registry, so version 1.20.2 is built from the source package
# of Debian 12 with Debian's own Go: about four minutes, 115 MB in `.cache/kubernetes` under the
# repository root, or under MUSTER_TEST_CACHE.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${MUSTER_TEST_CACHE:-$here/../../../.cache}
mkdir -p "$cache/kubernetes"
out=$(cd "$cache/kubernetes" && pwd)
version=1.20.5+really1.20.2-1.1+deb12u1

exec 9>"$out.lock"
flock 9

packages=()
command -v kubectl >/dev/null || packages+=(kubernetes-client)
command -v etcd >/dev/null || packages+=(etcd-server)
command -v openssl >/dev/null || packages+=(openssl)
built=
if [[ -x $out/kube-apiserver && -x $out/kube-controller-manager ]]; then built=1; fi
if [[ -z $built ]]; then
    # rsync and jq must be there before make: without them it leaves half-written generators behind.
    packages+=(golang-1.19-go golang-github-modern-go-reflect2-dev dpkg-dev xz-utils jq rsync make)
fi
if ((${#packages[@]})); then
    echo "test world: installs the Debian packages ${packages[*]}" >&2
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2
fi
if [[ -n $built ]]; then
    echo "$out"
    exit 0
fi

echo "test world: builds kube-apiserver and kube-controller-manager" >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Source packages through a private configuration of apt: /etc/apt stays as it is.
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
sed 's/^Types: deb$/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >"$work/src.sources"
sources=(-o "Dir::Etc::sourcelist=$work/src.sources" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
cd "$work"
apt-get "${sources[@]}" update -qq >&2
apt-get "${sources[@]}" source -qq "kubernetes=$version" >"$work/log" 2>&1
cd kubernetes-*/

# 1.20 carries reflect2 1.0.1, which segfaults under this Go at the first custom resource.
reflect2=vendor/github.com/modern-go/reflect2
rm -f $reflect2/*.go
cp /usr/share/gocode/src/github.com/modern-go/reflect2/*.go $reflect2/

printf '%s\n' KUBE_GIT_COMMIT=debian KUBE_GIT_TREE_STATE=clean KUBE_GIT_VERSION=v1.20.2 \
    KUBE_GIT_MAJOR=1 KUBE_GIT_MINOR=20 >"$work/version"
export PATH=/usr/lib/go-1.19/bin:$PATH GO111MODULE=off GOPROXY=off CGO_ENABLED=0 GOPATH=$PWD/.go
export KUBE_GIT_VERSION_FILE=$work/version GOFLAGS="-p=2 -tags=providerless"
mkdir -p .go/src/k8s.io
ln -sfn ../../.. .go/src/k8s.io/kubernetes
if ! make WHAT="cmd/kube-apiserver cmd/kube-controller-manager" >>"$work/log" 2>&1; then
    tail -20 "$work/log" >&2
    exit 1
fi
# The last of the two, so that a broken-off build is made anew.
cp _output/bin/kube-controller-manager "$out/"
cp _output/bin/kube-apiserver "$out/"
echo "$out"

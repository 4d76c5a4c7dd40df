#!/usr/bin/env bash
# Starts one control plane on 127.0.0.1 and stays: etcd, kube-apiserver, kube-controller-manager, with
# TLS and RBAC. There is no kubelet. Says `ready` once the API server is; ends what it started when its
# standard input closes, so that nothing outlives the test that asked for it.
#
#   tests/world/kubernetes/up.sh NAME BINARIES FOLDER PORT     uses PORT to PORT+3
#
# Leaves FOLDER/kubeconfig and the logs; `audit.log` has what the shipped account of Muster asked for, and whether it might.
set -euo pipefail

name=$1 bin=$2 root=$3 port=$4
peer=$((port + 2)) store=$((port + 1)) controllers=$((port + 3))
token=muster-test-token
mkdir -p "$root/pki"
cd "$root"
started=()
trap 'kill "${started[@]}" 2>/dev/null; wait' EXIT

openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=kube-ca -keyout pki/ca.key -out pki/ca.crt \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
openssl req -newkey rsa:2048 -nodes -subj /CN=kube-apiserver -keyout pki/server.key -out pki/server.csr 2>/dev/null
openssl x509 -req -in pki/server.csr -CA pki/ca.crt -CAkey pki/ca.key -CAcreateserial -days 30 -out pki/server.crt 2>/dev/null \
    -extfile <(printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\nkeyUsage=digitalSignature,keyEncipherment\n')
openssl genrsa -traditional -out pki/sa.key 2048 2>/dev/null || openssl genrsa -out pki/sa.key 2048 2>/dev/null
openssl rsa -in pki/sa.key -pubout -out pki/sa.pub 2>/dev/null
echo "$token,admin,1,system:masters" >pki/tokens.csv
cat >kubeconfig <<K
apiVersion: v1
kind: Config
current-context: $name
clusters: [{name: $name, cluster: {server: "https://127.0.0.1:$port", certificate-authority: $root/pki/ca.crt}}]
users: [{name: $name, user: {token: $token}}]
contexts: [{name: $name, context: {cluster: $name, user: $name}}]
K

cat >audit.yaml <<A
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
  - {level: Metadata, users: ["system:serviceaccount:muster-access:muster"]}
  - {level: None}
A
etcd --name "$name" --data-dir "$root/etcd" --unsafe-no-fsync --log-level=warn \
    --listen-client-urls "http://127.0.0.1:$store" --advertise-client-urls "http://127.0.0.1:$store" \
    --listen-peer-urls "http://127.0.0.1:$peer" --initial-advertise-peer-urls "http://127.0.0.1:$peer" \
    --initial-cluster "$name=http://127.0.0.1:$peer" >etcd.log 2>&1 </dev/null &
started+=($!)
# Admission of service accounts is off: nothing issues tokens to pods here.
"$bin/kube-apiserver" --etcd-servers="http://127.0.0.1:$store" --bind-address=127.0.0.1 --advertise-address=127.0.0.1 \
    --secure-port="$port" --tls-cert-file=pki/server.crt --tls-private-key-file=pki/server.key --token-auth-file=pki/tokens.csv \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file=pki/sa.pub --service-account-signing-key-file=pki/sa.key \
    --audit-policy-file=audit.yaml --audit-log-path=audit.log --audit-log-mode=blocking-strict \
    --authorization-mode=RBAC --service-cluster-ip-range=10.0.0.0/24 --endpoint-reconciler-type=none \
    --disable-admission-plugins=ServiceAccount >apiserver.log 2>&1 </dev/null &
server=$!
started+=("$server")
for _ in $(seq 1 240); do
    kubectl --kubeconfig kubeconfig get --raw /readyz >/dev/null 2>&1 && break
    kill -0 "$server" 2>/dev/null || { tail -5 apiserver.log >&2; exit 1; }
    sleep 0.25
done
kubectl --kubeconfig kubeconfig get --raw /readyz >/dev/null
# One that ends is started again: what it listens on, somebody else may just have taken, and without it no pod
# is ever made.
controllers() {
    local one=
    trap 'kill "$one" 2>/dev/null; wait "$one"; exit' TERM
    while :; do
        "$bin/kube-controller-manager" --kubeconfig=kubeconfig --bind-address=127.0.0.1 --port=0 --secure-port="$controllers" --leader-elect=false \
            --service-account-private-key-file=pki/sa.key --root-ca-file=pki/ca.crt --use-service-account-credentials=false \
            >>controllers.log 2>&1 </dev/null &
        one=$!
        wait "$one" || sleep 1
    done
}
controllers </dev/null &
started+=($!)
echo ready
cat >/dev/null

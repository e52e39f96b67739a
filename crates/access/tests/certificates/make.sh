#!/bin/sh
# Makes the certificates that tests use, valid for a hundred years. They are checked in, so that tests need neither openssl nor a
# crate that makes certificates. Run it in this folder; what it makes is of no use elsewhere.
set -eu
days=36500
authority() { # NAME SUBJECT
    openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1.key"
    openssl req -x509 -new -key "$1.key" -subj "$2" -days $days -out "$1.pem" \
        -addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign,cRLSign
}
issue() { # NAME SUBJECT EXTENSIONS AUTHORITY [OPTION…]
    name=$1 subject=$2 extensions=$3 by=$4
    shift 4
    [ -f "$name.key" ] || openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$name.key"
    openssl req -new -key "$name.key" -subj "$subject" -out request
    printf '%b' "$extensions" >extensions
    openssl x509 -req -in request -CA "$by.pem" -CAkey "$by.key" -CAcreateserial -extfile extensions -days $days \
        -out "$name.pem" "$@"
}
host='subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1\nextendedKeyUsage=serverAuth\n'
client='extendedKeyUsage=clientAuth\n'
rm -f ./*.pem ./*.key
authority ca '/CN=graven test authority'
authority other-ca '/CN=another test authority'
issue intermediate '/CN=graven test intermediate' 'basicConstraints=critical,CA:true,pathlen:0\n' ca
issue server '/CN=localhost' "$host" ca
issue renewed '/CN=localhost' "$host" ca
openssl genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:2048 -out rsa.key
issue rsa '/CN=localhost' "$host" ca
issue leaf '/CN=localhost' "$host" intermediate
cat leaf.pem intermediate.pem >chain.pem
cat intermediate.pem leaf.pem >reversed.pem
cat leaf.pem ca.pem >gap.pem
issue client '/CN=reader' "$client" ca
issue spiffe '/O=graven' "subjectAltName=URI:spiffe://example.org/reader\n$client" ca
issue stranger '/CN=stranger' "$client" other-ca
openssl pkey -in server.key -aes256 -passout pass:secret -out encrypted.key
# One that has expired: `-days` takes no past.
printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' >config
: >index
echo 01 >serial
printf '%b' "$host" >extensions
cp server.key expired.key
openssl req -new -key expired.key -subj /CN=localhost -out request
openssl ca -batch -notext -config config -cert ca.pem -keyfile ca.key -startdate 200101000000Z -enddate 210101000000Z \
    -in request -out expired.pem -extfile extensions
# One that does not hold yet, issued by itself.
cp server.key future.key
openssl req -new -key future.key -subj /CN=localhost -out request
openssl ca -batch -notext -selfsign -config config -keyfile future.key -startdate 20900101000000Z -enddate 21000101000000Z \
    -in request -out future.pem -extfile extensions
rm -f request extensions config index* serial* ./*.srl 01.pem 02.pem intermediate.key ca.key other-ca.key

#!/bin/sh
# Makes an authority and certificates for three members in a directory: ./certificates.sh DIRECTORY
set -eu
mkdir -p "$1"
cd "$1"
new_key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
# shellcheck disable=SC2086
openssl req -x509 $new_key -keyout ca.key -out ca.crt -days 365 -subj /CN=authority
echo 'subjectAltName=DNS:localhost,IP:127.0.0.1' >names
for id in 1 2 3; do
  # shellcheck disable=SC2086
  openssl req $new_key -keyout "member-$id.key" -out "member-$id.csr" -subj "/CN=member-$id"
  openssl x509 -req -in "member-$id.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -extfile names -days 365 -out "member-$id.crt"
done

#!/bin/sh
# Install those of the named Debian packages that the base image lacks; nothing of apt's stays in the layer.
set -eu
missing=""
for name in "$@"; do
    dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || missing="$missing $name"
done
[ -n "$missing" ] || exit 0
apt-get update -qq
# shellcheck disable=SC2086 # the names are words
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb

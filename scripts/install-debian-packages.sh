#!/bin/sh
# Install what the browser tests (chromium, Chinese fonts) and the alert tests (promtool) need.
# Without root or apt those tests are skipped; everything else runs.
set -eu
cd "$(dirname "$0")"

missing=
while read -r package; do
    status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing="$missing $package"
done <debian-packages.txt

if [ -z "$missing" ]; then
    exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Not installed, as that takes root and apt:$missing. Tests that need them are skipped."
    exit 0
fi

export DEBIAN_FRONTEND=noninteractive
# Prometheus brings a service; the tests only want its tools. Runlevel 1 starts no services.
export RUNLEVEL=1
apt-get update -qq
# One word per package.
# shellcheck disable=SC2086
apt-get install -qq --yes --no-install-recommends $missing

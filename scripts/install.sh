#!/usr/bin/env bash
# Install what is missing: Debian packages through apt, Python packages into .venv from requirements.lock.
# Does nothing, quickly, when everything is there. Needs nothing beyond the package registries.
set -euo pipefail
cd "$(dirname "$0")/.."

readonly venv=.venv
readonly stamp=$venv/.installed
readonly debian_packages=(libexpat1 postgresql-15 postgresql-15-postgis-3)

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

missing_debian_packages() {
    local name
    for name in "$@"; do
        dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || echo "$name"
    done
}

install_debian_packages() {
    local missing
    mapfile -t missing < <(missing_debian_packages "$@")
    ((${#missing[@]})) || return 0
    local as_root=()
    if ((EUID != 0)); then
        sudo -n true 2>/dev/null || fail "these Debian packages are missing and this user may not install them: ${missing[*]}
       ask the administrator for: apt-get install --no-install-recommends ${missing[*]}"
        as_root=(sudo -n)
    fi
    say "Debian packages: ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

find_python() {
    local name
    for name in python3.11 python3 python3.12 python3.13; do
        if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    fail "Python 3.11 or newer was not found"
}

install_python_packages() {
    local python want
    python=$(find_python)
    want=$(cat requirements.lock pyproject.toml | sha256sum)
    [[ -x $venv/bin/python && -f $stamp && $(<"$stamp") == "$want" ]] && return 0
    if [[ ! -x $venv/bin/pip ]]; then
        "$python" -c 'import ensurepip' 2>/dev/null || install_debian_packages python3-venv
        "$python" -m venv --clear "$venv"
    fi
    say "Python packages from requirements.lock into $venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$(grep -oE '^uv==[0-9.]+' requirements.lock)" 2>/dev/null \
        || fail "pip could not install uv: is the package registry reachable?"
    "$venv/bin/uv" pip sync --quiet --python "$venv/bin/python" --require-hashes requirements.lock
    "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" --no-build-isolation --no-deps --editable .
    echo "$want" >"$stamp"
}

command -v dpkg-query >/dev/null || fail "this installer knows Debian only; elsewhere install PostgreSQL 15 and PostGIS 3 yourself, then: pip install -r requirements.lock"
# Two installers at once would write the same folder.
exec 9>.install.lock
flock 9
install_debian_packages "${debian_packages[@]}"
install_python_packages

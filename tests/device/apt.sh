#!/usr/bin/env bash
# apt.sh PACKAGE...: installs Debian's packages. One call at a time: apt-get does not wait for another.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
flock --close "${TMPDIR:-/tmp}/a2d-apt.lock" bash -c '
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" >/dev/null' apt "$@"

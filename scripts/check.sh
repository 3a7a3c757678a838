#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Install what is missing, build svcbpf and run all its tests: sudo scripts/check.sh
#
# Arguments go to make: scripts/check.sh SAN=1
set -euo pipefail

self=$(readlink -f "${BASH_SOURCE[0]}")
if [ "$(id -u)" != 0 ]; then
	echo "check.sh: the tests load BPF programs and make network namespaces: run it as root:" >&2
	echo "  sudo $self" >&2
	exit 1
fi
cd "$(dirname "$self")/.."
SVCBPF_DEPS='build test' scripts/deps.sh
exec make -j"$(nproc)" check "$@"

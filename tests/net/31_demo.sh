#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demo that README names first does what it says, and cleans up behind itself.
set -euo pipefail
# shellcheck source=tests/net/lib.sh
. "$(dirname "$0")/lib.sh"

leftovers() { find "$(t_cgroup2_mount)" -maxdepth 1 -name 'svcbpf-demo-*'; }

before=$(leftovers)
t_ok "the demo" env O="$T_BUILD" "$T_ROOT/scripts/demo.sh" --no-install
t_is "it leaves no cgroup" "$(leftovers)" "$before"
t_done

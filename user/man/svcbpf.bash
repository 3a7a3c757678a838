# SPDX-License-Identifier: Apache-2.0
# bash completion for svcbpf(8); works with and without the bash-completion package.

_svcbpf_options() {
	local common="--help --verbose --log-format"
	local source="--manifests --kubeconfig --context --server --api-via-service --node-name"
	case $1 in
	run) echo "$common $source --cgroup --nodeport-addresses --max-services --max-backends" \
		"--maglev-table-size --algorithm" \
		"--pin-dir --config --state-dir --healthz-bind-address --metrics-bind-address" \
		"--bind-address-hard-fail --once --ready-fd" \
		"--devices --uplinks --tc-attach --max-flows --snat-ports --flow-timeout --forwarding --xdp" ;;
	dump) echo "$common --pin-dir --output --service --client --backend --protocol --state" \
		"--limit --watch --interval" ;;
	plan) echo "$common $source --algorithm --output --service" ;;
	verify) echo "$common $source --pin-dir --output --service" ;;
	status) echo "$common --pin-dir --output" ;;
	migrate) echo "$common $source --config --pin-dir --output --service" ;;
	cleanup) echo "$common --pin-dir" ;;
	version) echo "$common --output" ;;
	explain | help) echo "$common" ;;
	esac
}

# What may follow an option; fails when that is anything.
_svcbpf_values() {
	case $1 in
	-o | --output) echo "table wide json yaml" ;;
	--log-format) echo "text json" ;;
	--protocol) echo "tcp udp sctp" ;;
	--state) echo "unreplied stream syn-sent syn-recv established fin-wait close-wait" \
		"last-ack time-wait closed" ;;
	--nodeport-addresses) echo "primary" ;;
	--devices) echo "auto none" && _svcbpf_devices ;;
	--uplinks) _svcbpf_devices ;;
	--tc-attach) echo "auto clsact" ;;
	--forwarding) echo "snat dsr" ;;
	--xdp) echo "off native generic auto" ;;
	--algorithm) echo "random maglev" ;;
	*) return 1 ;;
	esac
}

_svcbpf_devices() {
	local folder
	for folder in /sys/class/net/*; do
		[ "${folder##*/}" = lo ] || echo "${folder##*/}"
	done
}

# Whether a file or folder follows an option.
_svcbpf_is_path() {
	case $1 in
	--manifests | --kubeconfig | --config | --cgroup | --pin-dir | --state-dir) ;;
	*) return 1 ;;
	esac
}

_svcbpf_arguments() {
	case $1 in
	dump) echo "frontends backends affinity conntrack nodes stats all" ;;
	migrate) echo "check" ;;
	help) _svcbpf_commands ;;
	esac
}

_svcbpf_commands() {
	echo "run dump plan verify explain status migrate cleanup version help"
}

_svcbpf() {
	local word=${COMP_WORDS[COMP_CWORD]} last=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]} values
	COMPREPLY=()
	# bash splits at "=": --output=json is three words
	[ "$word" != "=" ] || word=""
	[ "$last" != "=" ] || last=${COMP_WORDS[COMP_CWORD - 2]}
	if [ "$COMP_CWORD" -eq 1 ]; then
		values="$(_svcbpf_commands) --help --version"
	elif _svcbpf_is_path "$last"; then
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return
	elif [[ $word == -* ]]; then
		values=$(_svcbpf_options "$command")
	else
		values=$(_svcbpf_values "$last") || values=$(_svcbpf_arguments "$command")
	fi
	mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
}

complete -o filenames -F _svcbpf svcbpf

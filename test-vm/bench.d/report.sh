# shellcheck shell=bash disable=SC2034,SC2154 # used, or set, by the caller
# The report. Sourced; the caller sets `here`, `image`, `folder`, `results`, `contestants`, `size` and `runs`.

# The PCR per bank, as JSON, after the digest of the file $1 was extended once. coreutils compute it.
expect_pcrs() {
	local bank digest zeros
	for bank in sha1 sha256 sha384 sha512; do
		digest=$("${bank}sum" "$1")
		digest=${digest%% *}
		zeros=${digest//?/0}
		printf '%s%s' "$zeros" "${digest^^}" | basenc --base16 --decode | "${bank}sum" |
			jq --raw-input --arg bank "$bank" '{($bank): split(" ")[0]}'
	done | jq --compact-output --slurp add
}

# Passes on a run whose TPM holds the expected values in all its banks. A run with another value is an error.
check_pcrs() {
	jq --compact-output --argjson expected "$1" '
		(.banks | split("+") | map({(.): $expected[.]}) | add) as $want
		| ((.pcr // {}) | map_values(ascii_downcase)) as $got
		| if $got == $want then . else error("\(.name): PCR 13 is \($got), not \($want)") end'
}

# The time of other programs of this machine that read or hash the same bytes.
host_figures() {
	local command start
	start=$EPOCHREALTIME
	veritysetup format "$image" "$folder/hashes" >/dev/null && sha1sum "$image" >/dev/null && sha256sum "$image" >/dev/null
	awk -v from="$start" -v to="$EPOCHREALTIME" 'BEGIN {
		printf "  %6.3f  veritysetup format IMAGE, sha1sum IMAGE, sha256sum IMAGE, one after the other\n", to - from }'
	for command in "dd bs=8M iflag=direct status=none of=/dev/null if=" "cat " "sha1sum " "sha256sum " "sha384sum " "sha512sum "; do
		start=$EPOCHREALTIME
		eval "$command'$image'" >/dev/null
		awk -v name="${command}IMAGE" -v from="$start" -v to="$EPOCHREALTIME" 'BEGIN { printf "  %6.3f  %s\n", to - from, name }'
	done
}

initramfs_sizes() {
	local contestant name initramfs
	for contestant in "${contestants[@]}"; do
		read -r name initramfs _ <<<"$contestant"
		printf '  %9d  %s\n' "$(stat --format=%s "$initramfs")" "${name%,*}"
	done | sort --unique
}

report() {
	echo "Initramfs, bytes, compressed:"
	initramfs_sizes
	echo
	jq --raw-output --slurp -L "$here/bench.d" --arg size "$size" --arg runs "$runs" --from-file "$here/bench.d/report.jq" "$results"
	echo
	echo "The host's own programs with the same image, once each, seconds (all but dd find it in memory, as the guests' disk does):"
	host_figures
}

# shellcheck shell=bash disable=SC2154 # set by the caller
# What came out. Sourced; the caller sets `out`, `image`, `results`, `size` and `runs`.

# The PCR of a TPM in which the image $1 was extended once, by bank, as JSON: computed with the tools of coreutils.
expect_pcrs() {
	local bank digest zeros
	for bank in sha1 sha256 sha384 sha512; do
		digest=$("${bank}sum" "$1")
		digest=${digest%% *}
		zeros=$(printf '%*s' "${#digest}" '' | tr ' ' 0)
		printf '%s%s' "$zeros" "${digest^^}" | basenc --base16 --decode | "${bank}sum" |
			jq --raw-input --arg bank "$bank" '{($bank): split(" ")[0]}'
	done | jq --compact-output --slurp add
}

# Lets a run pass whose TPM holds the expected values in the banks it has: a boot that measured wrongly is no result.
check_pcrs() {
	jq --compact-output --argjson expected "$1" '
		(.banks | split("+") | map({(.): $expected[.]}) | add) as $want
		| ((.pcr // {}) | map_values(ascii_downcase)) as $got
		| if $got == $want then . else error("\(.name): PCR 13 is \($got), not \($want)") end'
}

# Reads of the image by the host, for reference: what a program on this machine needs to read, and to hash, as many bytes.
host_figures() {
	local command start
	for command in "dd if=$image of=/dev/null bs=8M iflag=direct status=none" "cat $image" "sha1sum $image" "sha256sum $image" \
		"sha512sum $image"; do
		start=$EPOCHREALTIME
		$command >/dev/null
		awk -v name="${command/$image/IMAGE}" -v from="$start" -v to="$EPOCHREALTIME" \
			'BEGIN { printf "  %6.2f s  %s\n", to - from, name }'
	done
}

report() {
	local contestant name initramfs rest
	echo "Initramfs, as shipped (zstd):"
	for contestant in "${contestants[@]}"; do
		read -r name initramfs rest <<<"$contestant"
		printf '  %9d bytes  %s\n' "$(stat --format=%s "$initramfs")" "$name"
	done | sort -u
	echo
	echo "From /init to the image's own init, $size MiB, $runs runs each; seconds, median (least-most):"
	jq --raw-output --slurp --from-file "$here/bench.d/report.jq" "$results"
	echo
	echo "The same image on the host, once each:"
	host_figures
}

# shellcheck shell=bash disable=SC2034,SC2154 # used, or set, by the caller
# One boot of the benchmark's guest. Sourced; the caller sets `out`, `image`, `size`, and `folder`, which only the runs use.

# More disks of the guest, as arguments of user-mode Linux.
disks=()

# The time limit of a boot, in seconds. It depends on the size of the image. On a slow machine, the slowest contestant needs a
# tenth of it.
patience() {
	echo $((60 + size / 4))
}

# Joins archives. Each starts at a multiple of four bytes.
join_archives() {
	local part
	for part in "$@"; do
		cat "$part"
		head --bytes=$((-$(stat --format=%s "$part") & 3)) /dev/zero
	done
}

# boot NAME INITRAMFS BANKS PARAMETER...: boots, and prints the guest's records as one JSON object.
boot() {
	local name=$1 initramfs=$2 banks=$3 code=0
	shift 3
	join_archives "$out/bench-part/cpio.zst" "$out/tpm-$banks/cpio.zst" "$initramfs" >"$folder/initrd"
	# The guest's memory is a file. It must be in the host's memory and not on its disk.
	TMPDIR=/dev/shm timeout --kill-after=5 "$(patience)" "$out/kernel/linux" mem=1024M "uml_dir=$folder/" "ubd0r=$image" "${disks[@]}" \
		"initrd=$folder/initrd" rdinit=/bench/start con=null con0=fd:0,fd:1 console=tty0 panic=-1 root=/dev/ubda \
		rootimgpcr=13 init=/sbin/init "$@" </dev/null >"$folder/console" 2>&1 &
	wait $! || code=$?
	if ((code)) || ! grep --quiet '^@bench {"init"' "$folder/console"; then
		cat "$folder/console" >&2
		echo "bench: $name ($banks) did not reach the new init (the guest's exit code is $code; its console is above)" >&2
		return 1
	fi
	sed -n 's/\r$//; s/^@bench //p' "$folder/console" | jq --compact-output --slurp --arg name "$name" --arg banks "$banks" \
		'reduce .[] as $record ({name: $name, banks: $banks}; . * $record)'
}

# shellcheck shell=bash disable=SC2154 # set by the caller
# One boot of the benchmark's guest. Sourced; the caller sets `out`, `image` and `seconds_at_most`.

# boot NAME INITRAMFS BANKS PARAMETERS: boots and prints what the guest recorded, as one JSON object.
boot() {
	local name=$1 initramfs=$2 tpm=$out/tpm-$3/cpio.zst folder code=0
	folder=$(mktemp -d "$out/run.XXXXXX")
	# Archives behind each other start at multiples of four bytes.
	local part
	for part in "$out/bench-part/cpio.zst" "$tpm" "$initramfs"; do
		cat "$part"
		head --bytes=$((-$(stat --format=%s "$part") & 3)) /dev/zero
	done >"$folder/initrd"
	# The guest's memory is a file: in the host's memory, not on its disk.
	TMPDIR=/dev/shm timeout --kill-after=5 "$seconds_at_most" "$out/kernel/linux" mem=1024M "uml_dir=$folder/" "ubd0r=$image" \
		"initrd=$folder/initrd" rdinit=/bench/start con=null con0=fd:0,fd:1 console=tty0 panic=-1 root=/dev/ubda \
		rootimgpcr=13 init=/sbin/init "${@:4}" </dev/null >"$folder/console" 2>&1 || code=$?
	if ((code)) || ! grep --quiet '^@bench {"init"' "$folder/console"; then
		cat "$folder/console" >&2
		echo "bench: $name did not reach the new init (the guest's exit code is $code; its console is above)" >&2
		return 1
	fi
	sed -n 's/\r$//; s/^@bench //p' "$folder/console" | jq --compact-output --slurp --arg name "$name" --arg banks "$3" \
		'reduce .[] as $r ({name: $name, banks: $banks}; . * $r)'
	rm -r "$folder"
}

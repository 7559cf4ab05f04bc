# shellcheck shell=bash disable=SC2034,SC2154 # used, or set, by the caller
# Images of two sizes that veritysetup prepared, and the agent's time with each. Sourced, after cache.sh and boot.sh; the caller
# sets `here`, `out`, `agent`, `folder` and `runs`.

prepared_packages=(cryptsetup-bin e2fsprogs)
# In MiB. The question is whether the larger one takes longer.
prepared_sizes=(1024 8192)
# Only many boots show a difference of a few per cent. One takes half a second.
prepared_runs=$((runs * 8))

prepared_key() {
	declare -f make_prepared | key_of - "$out/guest/init"
}

# Makes an ext4 of $1 MiB, which is mostly holes, its tree, and its root hash in the folder $2.
make_prepared() {
	local tree=$2/tree PATH=$PATH:/usr/sbin:/sbin
	mkdir -p "$tree"/{dev,proc,sys,run,sbin}
	install "$out/guest/init" "$tree/sbin/init"
	quietly mke2fs -q -t ext4 -b 4096 -E root_owner=0:0 -d "$tree" "$2/image" "$1M"
	veritysetup format --salt=00 --uuid=6d656173-7572-4564-a26f-6f7420696d67 "$2/image" "$2/hashes" |
		awk '/^Root hash:/ { print $3 }' >"$2/roothash"
	rm -r "$tree"
}

# Boots the images in turns, and writes the records to the file $1.
boot_prepared() {
	local run size root_hash expected image disks turn=("${prepared_sizes[@]}")
	for size in "${prepared_sizes[@]}"; do
		cached "prepared-$size" "$(prepared_key)" make_prepared "$size"
	done
	for ((run = 1; run <= prepared_runs; run++)); do
		for size in "${turn[@]}"; do
			image=$out/prepared-$size/image disks=("ubd1r=$out/prepared-$size/hashes")
			root_hash=$(<"$out/prepared-$size/roothash")
			printf 'measureroot: roothash=%s' "$root_hash" >"$folder/measured"
			expected=$(expect_pcrs "$folder/measured")
			[[ ! -t 2 ]] || printf '\rbench: boot %d of %d: %-40s' "$run" "$prepared_runs" "prepared, $size MiB" >&2
			boot "$size" "$agent" sha1+sha256 "roothash=$root_hash" measureroot.hashdev=/dev/ubdb >"$folder/record"
			check_pcrs "$expected" <"$folder/record" >>"$1"
		done
		# The order changes, so that no image always comes second.
		turn=("${turn[1]}" "${turn[0]}")
	done
}

# Prints the records in the file $1 for people.
report_prepared() {
	jq --raw-output --slurp -L "$here/bench.d" --arg runs "$prepared_runs" --from-file "$here/bench.d/prepared.jq" "$1"
}

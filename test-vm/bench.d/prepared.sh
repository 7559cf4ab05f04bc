# shellcheck shell=bash disable=SC2034,SC2154 # used, or set, by the caller
# Images that veritysetup prepared. Sourced, after cache.sh; the caller sets `out`.

prepared_packages=(cryptsetup-bin e2fsprogs)

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

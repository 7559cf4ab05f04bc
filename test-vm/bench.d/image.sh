# shellcheck shell=bash disable=SC2034,SC2154 # used, or set, by the caller
# The root image that is measured, and the programs of the guest. Sourced, after cache.sh; the caller sets `here` and `out`.

image_packages=(gcc libc6-dev openssl squashfs-tools)

guest_key() {
	{
		dpkg-query --show gcc libc6-dev
		declare -f make_guest
		cat "$here"/bench.d/guest/*.[ch]
	} | key_of -
}

# Builds the guest's programs into the folder $1. They are static, because the images have no libraries.
make_guest() {
	local name
	for name in start clock init; do
		gcc -static -O2 -Wall -Wextra -Werror -o "$1/$name" "$here/bench.d/guest/$name.c"
	done
}

image_key() {
	declare -f make_image noise | key_of - "$out/guest/init"
}

# $1 bytes that cannot be compressed and are the same on every machine: a cipher's key stream.
noise() {
	head --bytes="$1" /dev/zero | openssl enc -aes-256-ctr -nosalt -K "$(printf '%064d' 0)" -iv "$(printf '%032d' 0)"
}

# Makes a squashfs of $1 MiB in the folder $2, with noise and an init. Its data are not compressed, its few tables are.
make_image() {
	local tree=$2/tree
	mkdir -p "$tree"/{dev,proc,sys,run,sbin}
	install "$out/guest/init" "$tree/sbin/init"
	noise "$(($1 * 1024 * 1024 - 1024 * 1024))" >"$tree/noise"
	mksquashfs "$tree" "$2/image" -noappend -no-progress -quiet -all-root -no-xattrs -mkfs-time 0 -all-time 0 -noD -noF
	rm -r "$tree"
}

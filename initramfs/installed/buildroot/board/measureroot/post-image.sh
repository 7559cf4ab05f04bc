#!/bin/sh
# Buildroot's post-image script: writes beside each disk DISK.chain.json, all PCRs that follow from the disk. It comes last in
# BR2_ROOTFS_POST_IMAGE_SCRIPT, behind the scripts that make the disks, which BR2_PACKAGE_MEASUREROOT_DISKS names.
set -eu

fail() {
	echo "measureroot: $*" >&2
	exit 1
}

# Buildroot exports these two, and gives the folder of the images as the first argument.
: "${HOST_DIR:?}" "${BR2_CONFIG:?}"
images=$1
option() { sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" "$BR2_CONFIG"; }

disks=$(option BR2_PACKAGE_MEASUREROOT_DISKS)
[ -n "$disks" ] || fail "BR2_PACKAGE_MEASUREROOT_DISKS is empty: name the disks there that a script before this one makes, such as sdcard.img"

cd "$images"
# The root image on the disk, if there is only one that it can be.
set -- rootfs.squashfs rootfs.erofs
[ "$(option BR2_TARGET_ROOTFS_EXT2_4)" != y ] || set -- "$@" rootfs.ext2
root='' count=0
for image; do
	[ ! -f "$image" ] || { root=$image count=$((count + 1)); }
done
[ "$count" -eq 1 ] || root=''

for disk in $disks; do
	[ -f "$disk" ] || fail "$images/$disk is missing: name this script behind the one that makes it"
	set -- predict --json --disk "$disk"
	[ -z "$root" ] || set -- "$@" --device --pcr "$(option BR2_PACKAGE_MEASUREROOT_PCR)" "$root"
	rm -f "$disk.chain.json"
	"$HOST_DIR/bin/measureroot" "$@" >"$disk.chain.json.new" ||
		{
			rm -f "$disk.chain.json.new"
			fail "what starts the agent cannot be predicted of $disk (see above)"
		}
	mv "$disk.chain.json.new" "$disk.chain.json"
	echo "measureroot: with UEFI, all PCRs that follow from $disk are in $disk.chain.json; a BIOS measures neither the kernel nor the initramfs"
done

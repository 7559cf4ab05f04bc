# shellcheck shell=bash disable=SC2154
# The initramfs of each kernel. Sourced; the caller sets `out`.

# The modules of Debian's kernels that the scenarios' disks, root images and seals need. nls_ascii is not a dependency of vfat:
# vfat loads it at a mount.
modules=(
	virtio_pci virtio_blk virtio_scsi virtio_console sd_mod sr_mod loop overlay squashfs erofs isofs vfat nls_ascii
	dm-verity
)

# Packs the agent $2 with those modules of $out/kernel-$1, and with the ones in the other arguments. It does so again only if
# the agent, measureroot or this file is newer than the initramfs.
pack() {
	local folder=$out/kernel-$1 made=$out/kernel-$1/initramfs.cpio.zst agent=$2 module choice=() source
	local program=target/release/measureroot
	shift 2
	for source in "$agent" "$program" "${BASH_SOURCE[0]}"; do
		[[ $made -nt $source ]] || break
	done
	[[ ! $made -nt $source ]] || return 0
	for module in "${modules[@]}" "$@"; do
		choice+=(--module "$module")
	done
	"$program" initramfs --agent "$agent" --output "$made" --kernel-modules "$(realpath "$folder/modules")" "${choice[@]}"
}

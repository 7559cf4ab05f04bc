# shellcheck shell=bash disable=SC2154
# The initramfs of each kernel. Sourced; the caller sets `out`.

# Everything the scenarios' disks, root images and seals need that Debian builds as modules. nls_ascii is no module's
# dependency: vfat asks for it when it mounts.
modules=(
	virtio_pci virtio_blk virtio_scsi virtio_console sd_mod sr_mod loop overlay squashfs erofs isofs vfat nls_ascii
	dm-verity
)

# The agent $2 with the modules of $out/kernel-$1, and those named behind, packed by measureroot itself, again when
# something of that is newer.
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

#!/usr/bin/env bash
# The initramfs is the agent, its /init, and the kernel modules that it loads: no shell, no udev, nothing of dracut's other
# modules. Only when asked for, as by `dracut --add measureroot`. dracut sources this file and runs its functions in its own
# shell; all variables that are not `measureroot_*` or local are dracut's.
# shellcheck disable=SC2034,SC2154

measureroot_folder=${dracutsysrootdir-}/usr/lib/measureroot

check() {
	[[ " $dracutmodules $add_dracutmodules $force_add_dracutmodules " == *\ measureroot\ * ]] || return 255
	if ! [[ -f $measureroot_folder/boot-modules.sh ]]; then
		dfatal "measureroot: $measureroot_folder/boot-modules.sh is missing: install the package measureroot, or copy initramfs/installed/boot-modules.sh there"
		return 1
	fi
	# shellcheck source=initramfs/installed/boot-modules.sh
	. "$measureroot_folder/boot-modules.sh"
	measureroot_check_agent "$measureroot_folder/init" || return 1

	# What was chosen up to here goes, and nothing is chosen from here on.
	[[ -z ${mods_to_load// /} ]] || dinfo "measureroot: leaves out dracut's modules$mods_to_load"
	mods_to_load='' dracutmodules=measureroot add_dracutmodules='' force_add_dracutmodules=''
	# No folders, links, libraries and other files of dracut's own: all that is packed comes out of installkernel.
	kernel_only=yes
	((${#include_src[@]} == 0)) || dwarn "measureroot: what --include names goes into the initramfs, whatever it is"
	# The agent stays as it is, and the same input gives the same initramfs: it is measured, too.
	do_strip=no DRACUT_REPRODUCIBLE=1
	[[ -n $compress ]] || ! command -v zstd >/dev/null || compress=zstd
	# Not 0: then it would be chosen without being asked for.
	return 255
}

installkernel() {
	local needs some named
	# shellcheck source=initramfs/installed/boot-modules.sh
	. "$measureroot_folder/boot-modules.sh"

	# Where /lib is a link into /usr, dracut copies modules by way of it; lib/dracut is where it leaves its own notes.
	rm -rf -- "${initdir:?}"/*
	if [[ -L ${dracutsysrootdir-}/lib ]]; then
		mkdir -p "$initdir/usr/lib" && ln -s usr/lib "$initdir/lib"
	fi
	mkdir -p "$initdir/lib/dracut"
	install --mode=0755 "$measureroot_folder/init" "$initdir/init" || return 1
	[[ $EUID != 0 || -n ${DRACUT_NO_MKNOD-} ]] || measureroot_nodes "$initdir"
	[[ $no_kernel != yes ]] || return 0

	# shellcheck disable=SC2086
	{
		needs=$(measureroot_choose "$srcmods" all $measureroot_modules) || return 1
		some=$(measureroot_choose "$srcmods" some $measureroot_drivers) || return 1
		hostonly='' instmods -c $needs || return 1
		# With --hostonly, those of this machine alone.
		instmods $some
	}
	# dracut would add these later, and unpack none.
	read -ra named <<<"$drivers $add_drivers $force_drivers $filesystems"
	drivers='' add_drivers='' force_drivers='' filesystems=''
	((${#named[@]} == 0)) || hostonly='' instmods -c "${named[@]}" || return 1
	# shellcheck disable=SC2086
	measureroot_finish "$initdir/lib/modules/$kernel" $needs
}

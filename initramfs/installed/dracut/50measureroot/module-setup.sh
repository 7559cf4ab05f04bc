#!/usr/bin/env bash
# Makes an initramfs of the agent, its /init, and the kernel modules that it loads: no shell, no udev, nothing of dracut's other
# modules. It is used only if it is named, as by `dracut --add measureroot`. Its number is in the range for modules that are not
# dracut's own. dracut sources this file and runs the functions in its own shell: variables that are neither local nor
# `measureroot_*` are dracut's.
# shellcheck disable=SC2034,SC2154

measureroot_folder=${dracutsysrootdir-}/usr/lib/measureroot
measureroot_list=/etc/dracut.conf.d/50-measureroot.conf

# dracut.modules(7): 255 includes this module only if an option or the configuration names it; 1 never does.
check() {
	[[ " $dracutmodules $add_dracutmodules $force_add_dracutmodules " == *\ measureroot\ * ]] || return 255
	if ! [[ -f $measureroot_folder/boot-modules.sh ]]; then
		dfatal "measureroot: $measureroot_folder/boot-modules.sh is missing: install the package measureroot, or copy initramfs/installed/boot-modules.sh there"
		return 1
	fi
	# shellcheck source=initramfs/installed/boot-modules.sh
	. "$measureroot_folder/boot-modules.sh"
	measureroot_check_agent "$measureroot_folder/init" || return 1
	measureroot_alone
	return 255
}

# Keeps everything else out of this initramfs. dracut has no option by which one module asks for that.
measureroot_alone() {
	# Drop the modules that dracut has chosen so far, and keep it from choosing more.
	[[ -z ${mods_to_load// /} ]] || dinfo "measureroot: leaves out dracut's modules$mods_to_load"
	mods_to_load='' dracutmodules=measureroot add_dracutmodules='' force_add_dracutmodules=''
	# dracut adds no folders, links, libraries or files itself: it runs installkernel() only.
	kernel_only=yes
	((${#include_src[@]} == 0)) || dwarn "measureroot: the files that --include names go into the initramfs unchecked"
	# The agent is not changed, and the same input gives the same initramfs, because the initramfs is measured, too.
	do_strip=no DRACUT_REPRODUCIBLE=1
	[[ -n $compress ]] || ! command -v zstd >/dev/null || compress=zstd
}

# Everything that is not the kernel's: the agent, the nodes for its first messages, and the folder for dracut's notes.
install() {
	mkdir -p "$initdir/lib/dracut"
	inst_simple "$measureroot_folder/init" /init || return 1
	[[ $EUID != 0 || -n ${DRACUT_NO_MKNOD-} ]] || measureroot_nodes "$initdir"
}

installkernel() {
	local needs some named
	# shellcheck source=initramfs/installed/boot-modules.sh
	. "$measureroot_folder/boot-modules.sh"

	# If /lib is a link into /usr, dracut copies modules by that link. It writes notes to lib/dracut.
	rm -rf -- "${initdir:?}"/*
	if [[ -L ${dracutsysrootdir-}/lib ]]; then
		mkdir -p "$initdir/usr/lib" && ln -s usr/lib "$initdir/lib"
	fi
	# dracut does not run it, because of kernel_only.
	install || return 1
	[[ $no_kernel != yes ]] || return 0

	# shellcheck disable=SC2086
	{
		needs=$(measureroot_choose "$srcmods" all $measureroot_modules) || return 1
		some=$(measureroot_choose "$srcmods" some $measureroot_drivers) || return 1
		hostonly='' instmods -c $needs || return 1
		# With --hostonly, dracut takes only those that this machine uses.
		instmods $some
	}
	# dracut would add these later, after measureroot_finish has unpacked the modules.
	read -ra named <<<"$drivers $add_drivers $force_drivers $filesystems"
	drivers='' add_drivers='' force_drivers='' filesystems=''
	((${#named[@]} == 0)) || hostonly='' instmods -c "${named[@]}" || return 1
	# shellcheck disable=SC2086
	measureroot_finish "$initdir/lib/modules/$kernel" $needs
}

# shellcheck shell=sh disable=SC3043,SC2001
# The agent and the kernel modules of an initramfs that an image builder makes. Installed as
# /usr/lib/measureroot/boot-modules.sh. Hooks source it in bash or dash. Each function prints what is wrong to standard error,
# and then fails.

# The boot needs each of these, as a module or built into the kernel. If names are joined by |, it needs only one of them; every
# one that the kernel has is packed.
: "${measureroot_modules:=squashfs erofs ext4 isofs vfat overlay loop dm-verity \
	tpm_tis|tpm_crb|tpm_tis_spi|tpm_tis_i2c|tpm_ftpm_tee|tpm_ibmvtpm|xen_tpmfront}"
# These are packed if the kernel has them: drivers of media, the character sets that mounting vfat needs, and SHA-256 by the
# processor's instructions, for dm-verity. The list is short, because every boot unpacks every module that is packed. pci_hyperv brings
# the NVMe disks of Azure's machines; mptspi and mptsas are the SCSI and SAS controllers of VMware and VirtualBox, sym53c8xx is QEMU's.
# megaraid_sas, mpt3sas, mpi3mr, smartpqi, hpsa and aacraid are the RAID and SAS controllers of servers, which have no other way to their
# disks. tdx-guest shows the RTMRs of an Intel TDX guest.
: "${measureroot_drivers:=virtio_pci virtio_mmio virtio_blk virtio_scsi nvme vmd ahci ata_piix sd_mod sr_mod \
	ata_generic xhci_pci xhci_pci_renesas xhci_pci_prom21 ehci_pci ohci_pci uhci_hcd usb_storage uas \
	mmc_block sdhci_pci sdhci_acpi rtsx_pci_sdmmc rtsx_usb_sdmmc ufshcd_pci hv_storvsc pci_hyperv xen_blkfront vmw_pvscsi mptspi mptsas sym53c8xx \
	megaraid_sas mpt3sas mpi3mr smartpqi hpsa aacraid \
	tdx-guest nls_cp437 nls_ascii nls_iso8859_1 nls_utf8 sha256_ssse3 sha256_arm64 sha2_ce}"

measureroot_complain() { echo "measureroot: $*" >&2; }

# $1 must be the agent. The initramfs has no libraries, so a program that needs one is not the agent.
measureroot_check_agent() {
	if ! [ -x "$1" ]; then
		measureroot_complain "$1 is missing: install the package measureroot, or copy target/initramfs/init there"
		return 1
	fi
	if grep --quiet --text --extended-regexp '/ld-(linux|musl)[^/]*\.so' "$1"; then
		measureroot_complain "$1 is not the agent, it needs shared libraries: initramfs/build makes target/initramfs/init"
		return 1
	fi
}

# Prints the names of the modules whose files standard input lists, each followed by a space.
measureroot_names() { sed 's|:.*||; s|.*/||; s|\.ko.*||; y|-|_|' | tr '\n' ' '; }

# Prints those of the modules $3... that have files in the kernel's folder $1. If $2 is `all`, the others must be built in.
measureroot_choose() {
	local folder="${1%/}" must="$2" files builtin='' word name found odd chosen=''
	shift 2
	if ! [ -f "$folder/modules.dep" ]; then
		measureroot_complain "$folder/modules.dep is missing: install this kernel's package, or run depmod ${folder##*/}"
		return 1
	fi
	files=" $(measureroot_names <"$folder/modules.dep")"
	[ ! -f "$folder/modules.builtin" ] || builtin=" $(measureroot_names <"$folder/modules.builtin")"
	for word in "$@"; do
		found=
		for name in $(echo "$word" | tr '|-' ' _'); do
			case $builtin in *" $name "*) found=yes ;; esac
			case $files in *" $name "*) found=yes chosen="$chosen $name" ;; esac
		done
		[ "$must$found" = all ] || continue
		odd=$(find "$folder/" -name "$word.ko.*" | head -n 1)
		if [ -n "$odd" ]; then
			measureroot_complain "${odd##*/} is no module to depmod: pack this kernel's modules as .ko, .ko.gz, .ko.xz or .ko.zst," \
				"and run depmod ${folder##*/}"
		else
			measureroot_complain "the kernel ${folder##*/} has no $(echo "$word" | sed 's/|/, no /g'), neither as a module nor built in:" \
				"take another kernel, or, if your boot does not need it, list the modules that it needs in ${measureroot_list:-the variable measureroot_modules}"
		fi
		return 1
	done
	echo "$chosen"
}

# Unpacks the modules in the folder $1, and fails unless the modules $2... are there. The initramfs is compressed as a whole, and
# not every kernel can unpack a module.
measureroot_finish() {
	local folder="$1" file tool package name names
	shift
	find "$folder/" -name '*.ko.*' | while read -r file; do
		case $file in
		*.ko.gz) tool=gzip package=gzip ;;
		*.ko.xz) tool=xz package=xz-utils ;;
		*) tool=zstd package=zstd ;;
		esac
		if ! command -v "$tool" >/dev/null; then
			measureroot_complain "${file##*/} cannot be unpacked without $tool: install the package $package"
			exit 1
		fi
		"$tool" --decompress --stdout "$file" >"${file%.*}" && rm "$file" || exit 1
	done || return 1
	names=" $(find "$folder/" -name '*.ko' | measureroot_names)"
	for name in "$@"; do
		case $names in
		*" $name "*) ;;
		*) measureroot_complain "$name did not get into the initramfs (see above)" && return 1 ;;
		esac
	done
}

# Makes the device nodes for the first messages in the initramfs $1. If that is not permitted, the kernel brings /dev/console
# itself (usr/default_cpio_list).
measureroot_nodes() {
	mkdir -p "$1/dev"
	if ! { mknod -m 0600 "$1/dev/console" c 5 1 && mknod -m 0600 "$1/dev/kmsg" c 1 11 && mknod -m 0666 "$1/dev/null" c 1 3; }; then
		measureroot_complain "goes on without device nodes in the initramfs"
	fi
}

# shellcheck shell=bash
# Makes an ISO that BIOS and UEFI boot, from a CD-ROM and from a USB stick. Sourced by initramfs/installed/live, after
# quietly.sh; installed beside boot-modules.sh.

# The folder in which Debian's grub-pc-bin and grub-efi-amd64-bin have GRUB's modules.
grub_folder=${GRUB_FOLDER:-/usr/lib/grub}

check_grub() {
	local pair
	for pair in i386-pc/boot_hybrid.img=grub-pc-bin x86_64-efi/linux.mod=grub-efi-amd64-bin; do
		if [[ ! -f $grub_folder/${pair%%=*} ]]; then
			echo "live: $grub_folder/${pair%%=*} is missing: install the package ${pair#*=}" >&2
			return 1
		fi
	done
}

# Checks that a machine with $2 bytes of RAM has enough for a copy of the image $1. The boot needs 64 MiB beside the copy
# (src/seal/choice.rs, SPARE); the kernel and its initramfs take some 128 MiB.
fits_ram() {
	local image least
	image=$(stat --format=%s "$1")
	least=$((image + (64 + 128 << 20)))
	if ((least > $2)); then
		echo "live: the image has $image bytes: its copy needs a machine with $(numfmt --to=iec --round=up "$least") of RAM," \
			"not $(numfmt --to=iec "$2"): leave out --toram, or take something out of the root directory" >&2
		return 1
	fi
}

# Makes $1/out.iso with the label $2 from the folder $1/iso, which has boot/vmlinuz and boot/initramfs. $3 is the command line.
make_iso() {
	local work=$1 label=$2 grub=$1/iso/boot/grub
	local common=(normal configfile iso9660 search search_label part_msdos part_gpt linux echo test)
	# The commands for UEFI hand the firmware's event log to Linux: in GRUB 2.06 of Debian 12, a module of their own has them. In 2.12 of
	# Debian 13, linux and initrd are those.
	local suffix='' efi=(fat tpm)
	[[ ! -f $grub_folder/x86_64-efi/linuxefi.mod ]] || suffix=efi efi=(fat linuxefi tpm)
	# The command line has no special character of GRUB.
	cat >"$grub/grub.cfg" <<-GRUB
		set timeout=0
		menuentry measureroot {
		    if [ "\$grub_platform" = efi ]; then
		        # This one also hands the firmware's event log to Linux.
		        linux$suffix /boot/vmlinuz $3
		        initrd$suffix /boot/initramfs
		    else
		        linux /boot/vmlinuz $3
		        initrd /boot/initramfs
		    fi
		}
	GRUB
	printf '%s\n' "search --no-floppy --set=root --label $label" "set prefix=(\$root)/boot/grub" >"$work/early.cfg"

	grub-mkimage --directory="$grub_folder/i386-pc" --format=i386-pc-eltorito --prefix=/boot/grub --config="$work/early.cfg" \
		--output="$grub/bios.img" biosdisk "${common[@]}"
	# With the module tpm, GRUB measures its commands and the files that it reads.
	grub-mkimage --directory="$grub_folder/x86_64-efi" --format=x86_64-efi --prefix=/boot/grub --config="$work/early.cfg" \
		--output="$work/bootx64.efi" "${efi[@]}" "${common[@]}"
	# GRUB has 300 KB. mcopy -m keeps the file's date.
	truncate --size=1M "$work/efi.img"
	quietly mkfs.vfat --invariant -i 6D656173 -n ESP "$work/efi.img"
	touch --date="@$SOURCE_DATE_EPOCH" "$work/bootx64.efi"
	MTOOLS_SKIP_CHECK=1 TZ=UTC mmd -i "$work/efi.img" ::/EFI ::/EFI/BOOT
	MTOOLS_SKIP_CHECK=1 TZ=UTC mcopy -m -i "$work/efi.img" "$work/bootx64.efi" ::/EFI/BOOT/BOOTX64.EFI

	find "$work/iso" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
	quietly xorriso -as mkisofs -quiet -rational-rock -iso-level 3 -volid "$label" -output "$work/out.iso" \
		--grub2-mbr "$grub_folder/i386-pc/boot_hybrid.img" \
		-b boot/grub/bios.img -no-emul-boot -boot-load-size 4 -boot-info-table --grub2-boot-info \
		-append_partition 2 0xef "$work/efi.img" -eltorito-alt-boot \
		-e --interval:appended_partition_2:all:: -no-emul-boot "$work/iso"
}

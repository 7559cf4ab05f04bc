# shellcheck shell=bash
# Media that hold the small root image. Sourced.

# Each medium has the image as the file images/root.squashfs. Beside it are images/empty, with 0 bytes, and images/byte, with 1.
# Media whose file system has links also have images/inside, which leads to the image, and images/outside and images/absolute,
# which lead out of the medium.
make_media() {
	local image=$1 folder=$2 tree=$2/tree/images
	mkdir -p "$tree"
	cp "$image" "$tree/root.squashfs"
	: >"$tree/empty"
	printf h >"$tree/byte"
	touch --date="@$SOURCE_DATE_EPOCH" "$tree"/* "$tree"

	truncate --size=16M "$folder/medium.vfat"
	quietly mkfs.vfat --invariant -i 6D656173 -n MEDIUM "$folder/medium.vfat"
	mcopy -s -m -i "$folder/medium.vfat" "$tree" ::

	ln -s root.squashfs "$tree/inside"
	ln -s ../../outside "$tree/outside"
	ln -s /dev/vda "$tree/absolute"
	touch --no-dereference --date="@$SOURCE_DATE_EPOCH" "$tree"/* "$tree" "$tree/.."
	quietly xorriso -as mkisofs -R -V MEDIUM_CD -o "$folder/medium.iso" "$tree/.."
	make_ext4 "$folder/medium.ext4" 16M medium "$tree/.."
	mksquashfs "$tree/.." "$folder/medium.squashfs" -all-root -noappend -quiet -no-progress
	rm -r "$folder/tree"
	make_partitions "$folder/medium.gpt" "$image"
}

# Makes a disk with the image in its second partition. The partition is larger, and its bytes behind the image are not zero.
make_partitions() {
	local disk=$1 image=$2 start=4096 sectors=16384
	head --bytes=16M /dev/zero | tr '\0' '\245' >"$disk"
	sfdisk --quiet --wipe always "$disk" <<-EOF
		label: gpt
		label-id: 6d656173-7572-4564-a26f-6f7420696d00
		start=2048, size=2048, name=something-else, uuid=6d656173-7572-4564-a26f-6f7420696d01
		start=$start, size=$sectors, name=measured-root, uuid=6d656173-7572-4564-a26f-6f7420696d02
	EOF
	dd if="$image" of="$disk" bs=512 seek="$start" conv=notrunc status=none
}

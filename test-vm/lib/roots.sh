# shellcheck shell=bash disable=SC2154,SC2016
# The root images. Sourced; the caller sets `here` and `probe`.

# The date of all files in an image (2025-01-01), so that the same packages give the same bytes.
export SOURCE_DATE_EPOCH=1735689600
root_uuid=6d656173-7572-4564-a26f-6f7420696d67

# Prints the archives that this machine's apt uses, so that its mirror is used too.
debian_sources() {
	apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
		grep -E ' bookworm(-updates|-security)? main$' | sort -u
}

# Makes a real Debian with systemd as its init, without apt and documentation. The probe is a service. No user can log in.
make_debian() {
	local folder=$1 tar=$1/root.tar from=() inside='cd "$1" &&
		mkdir -p usr/lib/measureroot etc/systemd/system/multi-user.target.wants &&
		ln -s ../probe.service etc/systemd/system/multi-user.target.wants/ &&
		echo measured >etc/hostname && : >etc/machine-id &&
		rm -rf etc/apt/sources.list* var/cache/* var/log/*'
	debian_sources >"$folder/sources.list" && from=("$folder/sources.list")
	mmdebstrap --quiet --variant=essential --include=systemd,systemd-sysv,udev,dbus,tpm2-tools \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--customize-hook="$inside" \
		--customize-hook="upload '$probe' /usr/lib/measureroot/probe" \
		--customize-hook='chmod 0755 "$1/usr/lib/measureroot/probe"' \
		--customize-hook="upload '$here/lib/probe.service' /etc/systemd/system/probe.service" \
		bookworm "$tar" "${from[@]}"
	# fakeroot keeps the files' owners without root's rights. /dev stays empty, because the kernel fills it.
	fakeroot bash -euc 'mkdir "$1/tree" && tar -xf "$1/root.tar" -C "$1/tree" --exclude="./dev/*" &&
		mksquashfs "$1/tree" "$1/root.squashfs" -comp zstd -noappend -quiet -no-progress &&
		mkfs.erofs -zlz4hc -C65536 -T "$SOURCE_DATE_EPOCH" -U "$2" --quiet "$1/root.erofs" "$1/tree"' - "$folder" "$root_uuid"
	rm -rf "$folder/tree" "$tar"
}

# Makes the smallest possible root. The probe is the init, and has a second name for tests of init=.
make_small() {
	local folder=$1 tree=$1/tree
	mkdir -p "$tree"/{dev,proc,sys,run,tmp,etc,sbin}
	install --mode=0755 "$probe" "$tree/sbin/init"
	ln "$tree/sbin/init" "$tree/sbin/other-init"
	echo "the image's own" >"$tree/etc/kept"
	touch --no-dereference --date="@$SOURCE_DATE_EPOCH" "$tree"/{*,etc/*,sbin/*} "$tree"
	mksquashfs "$tree" "$folder/root.squashfs" -comp zstd -all-root -noappend -quiet -no-progress
	mkfs.erofs -zlz4hc -T "$SOURCE_DATE_EPOCH" -U "$root_uuid" --all-root --quiet "$folder/root.erofs" "$tree"
	make_ext4 "$folder/root.ext4" 16M small-root "$tree"
	rm -r "$tree"
}

# Makes an ext4 image $1 of size $2 with the label $3 and the files of the folder $4.
make_ext4() {
	E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH quietly mke2fs -t ext4 -L "$3" -U "$root_uuid" \
		-E "hash_seed=$root_uuid,root_owner=0:0" -d "$4" "$1" "$2"
}

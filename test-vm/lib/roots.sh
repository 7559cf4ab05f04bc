# shellcheck shell=bash disable=SC2154,SC2016
# The small root images, and what all root images share. Sourced; the caller sets `probe`.

# The date of all files in an image (2025-01-01), so that the same packages give the same bytes.
export SOURCE_DATE_EPOCH=1735689600
root_uuid=6d656173-7572-4564-a26f-6f7420696d67

# Prints the archives of Debian 12 on the mirror that this machine's apt uses, whatever its own release is.
debian_sources() {
	local codename
	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
	apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' 'Origin: Debian' |
		sed -E "s/ $codename(-updates|-security)? main\$/ bookworm\1 main/" |
		grep -E ' bookworm(-updates|-security)? main$' | sort -u
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

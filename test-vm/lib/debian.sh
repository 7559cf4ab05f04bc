# shellcheck shell=bash disable=SC2154,SC2016
# The Debians that the scenarios boot. Sourced, after roots.sh; the caller sets `here` and `probe`.

# Prints the archive of Debian 13 on the mirror of this machine.
trixie_sources() { debian_sources | sed -n 's/ bookworm main$/ trixie main/p' | grep .; }

# Makes $1/tree, with fakeroot's record of the owners in $1/owners: Debian's release $2 with the packages $3, and systemd as its init,
# without apt and documentation. The probe is a service. No user can log in. More arguments are options of mmdebstrap.
make_debian_tree() {
	local folder=$1 release=$2 packages=$3 tar=$1/root.tar sources=debian_sources from=() inside='cd "$1" &&
		mkdir -p usr/lib/measureroot etc/systemd/system/multi-user.target.wants &&
		ln -s ../probe.service etc/systemd/system/multi-user.target.wants/ &&
		echo measured >etc/hostname && : >etc/machine-id &&
		rm -rf etc/apt/sources.list* var/cache/* var/log/*'
	shift 3
	[[ $release == bookworm ]] || sources=${release}_sources
	"$sources" >"$folder/sources.list" && from=("$folder/sources.list")
	mmdebstrap --quiet --variant=essential --include="systemd,systemd-sysv,dbus,$packages" \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		"$@" \
		--customize-hook="$inside" \
		--customize-hook="upload '$probe' /usr/lib/measureroot/probe" \
		--customize-hook='chmod 0755 "$1/usr/lib/measureroot/probe"' \
		--customize-hook="upload '$here/lib/probe.service' /etc/systemd/system/probe.service" \
		"$release" "$tar" "${from[@]}"
	# fakeroot keeps the files' owners without root's rights. /dev stays empty, because the kernel fills it.
	mkdir "$folder/tree"
	fakeroot -s "$folder/owners" tar -xf "$tar" -C "$folder/tree" --exclude='./dev/*'
	rm "$tar"
}

# Makes an erofs of that tree, with these options of mkfs.erofs, and removes the tree.
make_debian_erofs() {
	local folder=$1
	shift
	fakeroot -i "$folder/owners" mkfs.erofs -zlz4hc -C65536 -T "$SOURCE_DATE_EPOCH" -U "$root_uuid" --quiet "$@" \
		"$folder/root.erofs" "$folder/tree"
	rm -r "$folder/tree" "$folder/owners"
}

# Debian 12, as a squashfs.
make_debian() {
	local folder=$1
	make_debian_tree "$folder" bookworm udev,tpm2-tools,openssl
	fakeroot -i "$folder/owners" mksquashfs "$folder/tree" "$folder/root.squashfs" -comp zstd -noappend -quiet -no-progress
	rm -r "$folder/tree" "$folder/owners"
}

# Debian 13, as an erofs. Its systemd is the first in a Debian that reads event logs and adds to them: the programs for that, and their
# libraries, are also in $1/systemd.
make_debian13() {
	local folder=$1
	make_debian_tree "$folder" trixie udev,tpm2-tools,systemd-cryptsetup,libtss2-tcti-device0t64
	mkdir "$folder/systemd"
	(cd "$folder/tree" && find usr/lib/x86_64-linux-gnu usr/lib/systemd -name '*.so*' -o -name 'systemd-pcr*') |
		tar --create --directory="$folder/tree" --no-recursion --files-from=- |
		tar --extract --no-same-owner --directory="$folder/systemd"
	make_debian_erofs "$folder"
}

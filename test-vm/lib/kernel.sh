# shellcheck shell=bash disable=SC2154
# Debian's own kernels. They are unpacked and not installed. Sourced.

# Prints package and version of the newest kernel of the metapackage $1.
resolve_kernel() {
	local package
	package=$(apt-cache --no-all-versions show "$1" 2>/dev/null | sed -n 's/^Depends:.*\(linux-image-[0-9][^ ,]*\).*/\1/p')
	[[ -n $package ]] || return 1
	echo "$package=$(apt-cache policy "$package" | sed -n 's/^  Candidate: //p')"
}

update_lists() {
	local as_root=()
	((EUID == 0)) || as_root=(sudo)
	echo "images: fetches the package lists: they are missing or out of date"
	"${as_root[@]}" apt-get -qq update
}

# Without this option, root's download would run as a user that cannot write here.
download() { (cd "$2" && apt-get -qq -o APT::Sandbox::User=root download "$1"); }

# Downloads the kernel of the metapackage $1 into the folder $2, and unpacks it there.
open_kernel() {
	local folder=$2 found release
	found=$(resolve_kernel "$1" || true)
	if [[ -z $found ]] || ! download "$found" "$folder"; then
		update_lists
		found=$(resolve_kernel "$1" || true)
		if [[ -z $found ]]; then
			echo "images: apt knows no $1 (is Debian's security archive among its sources?)" >&2
			exit 1
		fi
		download "$found" "$folder"
	fi
	dpkg-deb --extract "$folder"/*.deb "$folder"
	rm "$folder"/*.deb
	release=$(basename "$folder"/lib/modules/*)
	ln -s "boot/vmlinuz-$release" "$folder/vmlinuz"
	ln -s "lib/modules/$release" "$folder/modules"
	depmod --basedir "$folder" "$release"
	echo "images: Debian's $found"
}

# The same with the archives of Debian 12, also on a machine with another release.
open_debian12_kernel() {
	local lines
	# shellcheck source=/dev/null
	if [[ $(. /etc/os-release && echo "$VERSION_CODENAME") == bookworm ]]; then
		open_kernel "$@"
		return
	fi
	mapfile -t lines < <(debian_sources | sed "s|^deb |deb [signed-by=$debian_keyring] |")
	private_apt "$2/apt" amd64 "${lines[@]}"
	APT_CONFIG=$2/apt/apt.conf open_kernel "$@"
	rm -r "$2/apt"
}

# The same for the architecture $1, in Debian's name for it: the kernel of the metapackage $2 into the folder $3.
open_foreign_kernel() {
	foreign_apt "$3/apt" "$1"
	APT_CONFIG=$3/apt/apt.conf open_kernel "$2" "$3"
	rm -r "$3/apt"
}

# Unpacks Debian 13's stub of systemd for the architecture $1, in Debian's name for it, into the folder $2. That of Debian 12 for arm64
# has bytes outside of its sections, which are not in an image that is made of it.
open_foreign_stub() {
	private_apt "$2/apt" "$1" "$(trixie_sources)"
	APT_CONFIG=$2/apt/apt.conf download systemd-boot-efi "$2"
	dpkg-deb --extract "$2"/*.deb "$2"
	rm -r "$2/apt" "$2"/*.deb
}

# Makes $out/kernel-$1 of the kernel of the metapackage $2, with open_debian12_kernel or with the command in the other arguments. An old
# kernel there stays, because it boots as well.
kernel() {
	local name=$1 package=$2 open=("${@:3}")
	cached "kernel-$name" "$package $kernel_key" "${open[@]:-open_debian12_kernel}" "$package"
}
kernel_key=$(key_of "${BASH_SOURCE[0]}")

# shellcheck shell=bash disable=SC2154
# Debian's own kernels, opened and not installed. Sourced.

# The newest kernel that the metapackage $1 stands for: its package and version.
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

# Root's download would otherwise be handed to a user who may not write here.
download() { (cd "$2" && apt-get -qq -o APT::Sandbox::User=root download "$1"); }

# Downloads the kernel of the metapackage $1 into the folder $2 and opens it there.
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

# The same for machines of the architecture $1, in Debian's words: the kernel of $2 into $3.
open_foreign_kernel() {
	foreign_apt "$3/apt" "$1"
	APT_CONFIG=$3/apt/apt.conf open_kernel "$2" "$3"
	rm -r "$3/apt"
}

# The kernel of the metapackage $2 as $out/kernel-$1, opened by what is behind it. One that is there stays, however old: it
# boots as well.
kernel() {
	local name=$1 package=$2 open=("${@:3}")
	cached "kernel-$name" "$package $kernel_key" "${open[@]:-open_kernel}" "$package"
}
kernel_key=$(key_of "${BASH_SOURCE[0]}")

# shellcheck shell=bash disable=SC2154
# Packages of Debian 13's backports: Linux is newer there than in any release. Sourced, after debian.sh and kernel.sh.

backports_suite=trixie-backports

# Makes an apt configuration for Debian 13 and its backports in the folder $1. Its lists tell the packages of both.
open_backports() {
	local sources
	mapfile -t sources < <(trixie_sources | head --lines=1 | sed "s|^deb |deb [signed-by=$debian_keyring] |" |
		sed "p; s/ trixie main\$/ $backports_suite main/")
	private_apt "$1" amd64 "${sources[@]}"
}

# Prints the package that the metapackage $1 of the backports depends on, and whose name begins with $2. APT_CONFIG is that of
# open_backports.
backports_package() {
	local package
	package=$(apt-cache show "$1/$backports_suite" 2>/dev/null | sed -n "s/^Depends:.*\($2[0-9][^ ,]*\).*/\1/p")
	if [[ -z $package ]]; then
		echo "$0: this machine's mirror of Debian lacks $1 of $backports_suite" >&2
		return 1
	fi
	# There may be several versions. The newest comes first.
	echo "${package%%$'\n'*}"
}

# Downloads the package $1, which is a kernel's source, into the folder $2, and writes the source's tar to standard output.
backports_source() {
	download "$1" "$2"
	dpkg-deb --fsys-tarfile "$2/$1"_*.deb 2>/dev/null | tar --extract --to-stdout --wildcards "*/$1.tar.xz" | xz --decompress
}

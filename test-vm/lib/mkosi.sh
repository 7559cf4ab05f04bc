# shellcheck shell=bash disable=SC2154
# A Debian with mkosi, and the packages that mkosi installs. Sourced, after roots.sh; the caller sets `here`.

# trixie is the first Debian release whose mkosi understands today's configurations.
make_mkosi() {
	local folder=$1 from=()
	debian_sources | sed -n 's/ bookworm main$/ trixie main/p' >"$folder/sources.list" && from=("$folder/sources.list")
	[[ -s $folder/sources.list ]] || from=()
	mmdebstrap --quiet --variant=apt --include=mkosi,zstd --dpkgopt='path-exclude=/usr/share/doc/*' \
		--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		trixie "$folder/root.tar" "${from[@]}"
}

# Installs the packages of initramfs/installed/mkosi/mkosi.conf, and keeps mkosi's cache of them in cache.tar. mkosi gets the same sources
# as apt, because its own default sources have archives that mirrors lack.
make_mkosi_packages() {
	local folder=$1
	mkdir -p "$folder/mkosi.sandbox/etc/apt/sources.list.d"
	awk '{ print "Types: deb\nURIs: " $2 "\nSuites: " $3 "\nComponents: " $4 "\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n" }' \
		"$out/mkosi/sources.list" >"$folder/mkosi.sandbox/etc/apt/sources.list.d/mkosi.sources"
	cp initramfs/installed/mkosi/mkosi.conf "$folder/"
	quietly "$here/builder" "$folder" mkosi <<-'EOF'
		mkdir /var/cache/kept
		mkosi --format=directory --bootable=no --output-directory=/var/tmp --incremental=yes --cache-directory=/var/cache/kept build
		tar --create --file=cache.tar --directory=/var/cache/kept .
	EOF
}

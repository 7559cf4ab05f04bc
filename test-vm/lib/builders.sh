# shellcheck shell=bash
# A Debian with the builders of initramfs. Sourced; comes after roots.sh.

# It has the packages of an ordinary machine, so that the builders build ordinary initramfs too. It has dracut-core and not
# dracut: dracut only adds what runs when a kernel is installed, and it conflicts with initramfs-tools.
make_builders() {
	local folder=$1 from=()
	debian_sources >"$folder/sources.list" && from=("$folder/sources.list")
	mmdebstrap --quiet --variant=apt --include=dracut-core,initramfs-tools,busybox,systemd,systemd-sysv,zstd,xz-utils \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$folder/root.tar" "${from[@]}"
}

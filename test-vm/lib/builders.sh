# shellcheck shell=bash
# A Debian with the builders of initramfs. Sourced; comes after roots.sh.

# What an ordinary machine has, so that ordinary initramfs are built as there. dracut-core: dracut itself only adds what runs
# when a kernel is installed, and does not go with initramfs-tools.
make_builders() {
	local folder=$1 from=()
	debian_sources >"$folder/sources.list" && from=("$folder/sources.list")
	mmdebstrap --quiet --variant=apt --include=dracut-core,initramfs-tools,busybox,systemd,systemd-sysv,zstd,xz-utils \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$folder/root.tar" "${from[@]}"
}

# shellcheck shell=bash
# Programs of systemd that read event logs and add to them. Sourced, after roots.sh.

# trixie is the first Debian release whose systemd has them. They and their libraries are unpacked and not installed.
make_systemd() {
	local folder=$1 tar=$1/root.tar from=()
	debian_sources | sed -n 's/ bookworm main$/ trixie main/p' >"$folder/sources.list" && from=("$folder/sources.list")
	[[ -s $folder/sources.list ]] || from=()
	mmdebstrap --quiet --variant=extract --include=systemd,libssl3t64,libtss2-esys-3.0.2-0t64,libtss2-rc0t64 \
		--include=libtss2-mu-4.0.1-0t64,libtss2-tcti-device0t64 trixie "$tar" "${from[@]}"
	mkdir "$folder/root"
	tar -xf "$tar" -C "$folder/root" --wildcards './usr/lib/x86_64-linux-gnu/*.so*' './usr/lib/systemd/systemd-pcr*'
	rm "$tar"
}

# shellcheck shell=bash disable=SC2154
# shim and GRUB as Debian signs them, GRUB's modules, and the scripts that write Debian's stock configuration. They are unpacked and not
# installed.
# Sourced, after debian.sh and kernel.sh.

# Makes $1 with the packages of Debian 12, this machine's, in $1/12, and those of Debian 13 in $1/13.
make_grub() {
	local folder=$1 package line release
	mkdir -p "$folder/12" "$folder/13"
	line=$(trixie_sources | head --lines=1)
	private_apt "$folder/apt" amd64 "deb [signed-by=$debian_keyring] ${line#deb }"
	for package in shim-signed grub-efi-amd64-signed grub-efi-amd64-bin grub-common; do
		download "$package" "$folder/12"
		APT_CONFIG=$folder/apt/apt.conf download "$package" "$folder/13"
	done
	rm -r "$folder/apt"
	for release in 12 13; do
		for package in "$folder/$release"/*.deb; do
			dpkg-deb --extract "$package" "$folder/$release"
			rm "$package"
		done
	done
}

# shellcheck shell=bash
# Debian's tboot, with its programs. It is unpacked and not installed: its package adds entries to the boot menu of this machine.
# Sourced, after kernel.sh.

# Unpacks tboot into the folder $1.
make_tboot() {
	local folder=$1
	if ! download tboot "$folder"; then
		update_lists
		download tboot "$folder"
	fi
	dpkg-deb --extract "$folder"/*.deb "$folder"
	rm "$folder"/*.deb
}

# shellcheck shell=bash disable=SC2154
# The newest stubs of systemd that Debian has. They are unpacked and not installed. Sourced, after debian.sh and kernel.sh.

# Makes $1/unstable.efi.stub and $1/testing.efi.stub of those suites. Both names stay, whatever Debian's next release is called.
# There is no pinned version: Debian's mirrors keep only the newest of each suite. The scenario takes the first one that measureroot
# knows, so a new version in unstable leaves it that of testing. Stubs there stay, as kernels do.
make_stubs() {
	local folder=$1 suite lines
	mapfile -t lines < <(trixie_sources | head --lines=1 | sed "s|^deb |deb [signed-by=$debian_keyring] |" |
		sed -n 's/ trixie main$/ unstable main/p; s/ unstable main$/ testing main/p')
	if ! private_apt "$folder/apt" amd64 "${lines[@]}"; then
		echo "images: this machine's mirror of Debian lacks the suites unstable and testing, of which the newest stub of systemd comes" >&2
		exit 1
	fi
	for suite in unstable testing; do
		mkdir "$folder/$suite"
		if ! APT_CONFIG=$folder/apt/apt.conf download "systemd-boot-efi/$suite" "$folder/$suite"; then
			echo "images: Debian's $suite on this machine's mirror has no systemd-boot-efi, which has the stub of systemd" >&2
			exit 1
		fi
		dpkg-deb --extract "$folder/$suite"/*.deb "$folder/$suite"
		cp "$folder/$suite/usr/lib/systemd/boot/efi/linuxx64.efi.stub" "$folder/$suite.efi.stub"
		echo "images: Debian's $suite has$(grep --text --only-matching ' systemd-stub [^ ]*' "$folder/$suite.efi.stub")"
	done
	rm -r "$folder/apt" "$folder/unstable" "$folder/testing"
}

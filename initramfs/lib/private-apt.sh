# shellcheck shell=bash
# Downloads Debian's packages that this machine's apt does not know: sources, other suites, other architectures. Sourced.
#   debian_archives                          prints this machine's archives of Debian, in lines "MIRROR SUITE"
#   private_apt FOLDER ARCHITECTURE LINE...  makes an apt configuration in FOLDER, for packages of that architecture, with these
#                                            lines of a sources.list; apt-get -c FOLDER/apt.conf uses it
#   foreign_apt FOLDER ARCHITECTURE          the same, with this machine's archives
# Nothing is installed, and the system's apt state is not touched.

debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# From the addresses of the release files: this machine's suite, its updates and the security archive.
debian_archives() {
	local codename
	# shellcheck source=/dev/null
	codename=$(. /etc/os-release && [[ $ID == debian ]] && echo "$VERSION_CODENAME") || return 1
	apt-get update --print-uris | sed -n "s|^'\(.*\)/dists/\(${codename}[^/]*\)/InRelease' .*|\1 \2|p" | sort -u
}

private_apt() {
	local folder=$1 architecture=$2
	shift 2
	mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
	printf '%s\n' "$@" >"$folder/sources.list"
	# No package is installed.
	: >"$folder/status"
	cat >"$folder/apt.conf" <<-EOC
		APT::Architecture "$architecture";
		APT::Architectures { "$architecture"; };
		Dir::Etc::sourcelist "$folder/sources.list";
		Dir::Etc::sourceparts "/dev/null";
		Dir::State::lists "$folder/lists";
		Dir::State::status "$folder/status";
		Dir::Cache "$folder/cache";
		// If root runs it, apt downloads as a user that cannot enter this folder.
		APT::Sandbox::User "root";
		// The system's hooks work on the system's lists.
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
	EOC
	apt-get -c "$folder/apt.conf" -qq update
}

foreign_apt() {
	local lines
	mapfile -t lines < <(debian_archives | sed "s|^|deb [signed-by=$debian_keyring] |; s|\$| main|")
	if ((${#lines[@]} == 0)); then
		echo "$0: the packages for $2 come from Debian's archives, which are not among this machine's apt sources" >&2
		return 1
	fi
	private_apt "$1" "$2" "${lines[@]}"
}

# shellcheck shell=bash
# What a script needs from the distribution. Sourced.
#   need_tools COMMAND=PACKAGE...   installs the packages of those commands that are not there
#   need_packages PACKAGE...        installs those packages that are not there
# Root is asked for (sudo) only when something is missing. Where apt does not rule, it says what to install and exits.

need_tools() {
	local pair missing=()
	for pair in "$@"; do
		command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
	done
	((${#missing[@]} == 0)) || need_packages "${missing[@]}"
}

need_packages() {
	local package missing=() as_root=()
	if ! command -v apt-get dpkg-query >/dev/null; then
		echo "$0: this needs what Debian packages as: $* (install your distribution's equivalent, then try again)" >&2
		exit 1
	fi
	for package in "$@"; do
		[[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
	done
	((${#missing[@]})) || return 0
	if ((EUID != 0)); then
		as_root=(sudo)
		if ! command -v sudo >/dev/null; then
			echo "$0: run this as root, then try again: apt-get install ${missing[*]}" >&2
			exit 1
		fi
	fi
	echo "$0: installs with apt-get, because they are needed and missing: ${missing[*]}"
	local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
	local install=("${apt[@]}" install --yes --no-install-recommends "${missing[@]}")
	# The package lists may be missing (containers): apt would not know the packages.
	apt-get install --simulate "${missing[@]}" >/dev/null 2>&1 || "${apt[@]}" update || true
	# Or they are out of date, and name versions that the mirror no longer has.
	if ! "${install[@]}" && ! { "${apt[@]}" update && "${install[@]}"; }; then
		echo "$0: apt-get could not install ${missing[*]} (see above; is Debian's security archive among the apt sources?)" >&2
		exit 1
	fi
}

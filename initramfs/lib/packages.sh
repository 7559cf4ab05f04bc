# shellcheck shell=bash
# Installs the distribution's packages that a script needs. Sourced.
#   need_tools COMMAND=PACKAGE...   installs the packages of those commands that are missing
#   need_packages PACKAGE...        installs those packages that are missing
# It asks for root rights (sudo) only if something is missing. It never removes a package: if apt could install one only in place
# of another, that is an error. MEASUREROOT_MAY_REMOVE names packages that may go all the same. Without apt, it prints what to
# install and exits.

# Of two scripts, one waits here for the other: apt itself waits for the lock of dpkg, but not for that of its lists.
_one_at_a_time=(flock --close --timeout 900 "$(realpath "${BASH_SOURCE[0]}")")

need_tools() {
	local pair missing=()
	for pair in "$@"; do
		command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
	done
	((${#missing[@]} == 0)) || need_packages "${missing[@]}"
}

# Prints what apt would do to install those.
_plan() { apt-get install --simulate --no-install-recommends "$@" 2>/dev/null; }

# Whether the user named all of these packages as ones that may go.
_may_go() {
	local package
	for package in "$@"; do
		[[ " ${MEASUREROOT_MAY_REMOVE:-} " == *" $package "* ]] || return 1
	done
}

need_packages() {
	local package missing=() as_root=() keep=(--no-remove) plan in_the_way
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
			echo "$0: run this as root, then try again: apt-get install --no-remove ${missing[*]}" >&2
			exit 1
		fi
	fi
	echo "$0: installs with apt-get, because they are needed and missing: ${missing[*]}"
	local apt=("${_one_at_a_time[@]}" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
	# In containers the package lists are often missing: apt does not know the packages then.
	if ! plan=$(_plan "${missing[@]}"); then
		"${apt[@]}" update || true
		plan=$(_plan "${missing[@]}") || true
	fi
	mapfile -t in_the_way < <(awk '$1 == "Remv" { print $2 }' <<<"$plan")
	if ((${#in_the_way[@]})); then
		if ! _may_go "${in_the_way[@]}"; then
			echo "$0: apt-get could install these packages only if it removed: ${in_the_way[*]} (remove them yourself if you do not need" \
				"them, or allow it: MEASUREROOT_MAY_REMOVE=\"${in_the_way[*]}\")" >&2
			exit 1
		fi
		echo "$0: removes what is in the way, as MEASUREROOT_MAY_REMOVE allows: ${in_the_way[*]}"
		keep=()
	fi
	local install=("${apt[@]}" install --yes "${keep[@]}" --no-install-recommends "${missing[@]}")
	# Lists that are out of date name versions that the mirror no longer has.
	if ! "${install[@]}" && ! { "${apt[@]}" update && "${install[@]}"; }; then
		echo "$0: apt-get could not install ${missing[*]} (see above; is Debian's security archive among the apt sources?)" >&2
		exit 1
	fi
}

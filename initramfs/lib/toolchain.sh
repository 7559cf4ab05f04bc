# shellcheck shell=bash disable=SC2034
# Chooses the Rust toolchains, for every script. Sourced, after packages.sh.
#   choose_toolchain         exports CARGO, RUSTC, RUSTDOC, for programs and tests on this machine
#   choose_agent_toolchain   sets AGENT_CARGO, AGENT_RUSTC and AGENT_STD: "prebuilt" if that toolchain has the target's
#                            standard library, "rebuilt" if it has the library's source
#   need_cargo_tool NAME VERSION [OPTION...]   sets CARGO_TOOL to this program, built by cargo install with these options if it is missing;
#                            comes after choose_toolchain
# A toolchain is suitable if it is as new as Cargo.toml's rust-version. Debian 12's Rust is older, but its security archive has the
# newer one that builds browsers, with the standard library's source: rustc-web, cargo-web, rust-web-src.

AGENT_TARGET=${AGENT_TARGET:-$(uname -m)-unknown-linux-musl}
_toolchain_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Prints the folders with a cargo and a rustc that can build this project, the preferred one first.
toolchains() {
	local needed found folder on_path
	needed=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$_toolchain_root/Cargo.toml")
	on_path=$(command -v cargo || true)
	for folder in "${on_path%/*}" "${CARGO_HOME:-${HOME:-}/.cargo}/bin" /usr/bin; do
		[[ -x $folder/cargo && -x $folder/rustc ]] || continue
		# From the project's folder: rustup may have an override for it.
		found=$(cd "$_toolchain_root" && "$folder/rustc" --version 2>/dev/null | cut -d ' ' -f 2) || continue
		printf '%s\n' "$needed" "$found" | sort --version-sort --check=quiet && echo "$folder"
	done | awk '!seen[$0]++'
}

sysroot() { (cd "$_toolchain_root" && "$1/rustc" --print sysroot); }
has_target() { compgen -G "$(sysroot "$1")/lib/rustlib/$AGENT_TARGET/lib/libstd-*.rlib" >/dev/null; }
has_source() { [[ -f $(sysroot "$1")/lib/rustlib/src/rust/library/Cargo.lock ]]; }

choose_toolchain() {
	local found
	mapfile -t found < <(toolchains)
	if ((${#found[@]} == 0)); then
		need_packages rustc-web cargo-web
		mapfile -t found < <(toolchains)
	fi
	if ((${#found[@]} == 0)); then
		echo "$0: no Rust is as new as Cargo.toml's rust-version: update it (rustup update), or on Debian enable the security archive" >&2
		exit 1
	fi
	export CARGO=${found[0]}/cargo RUSTC=${found[0]}/rustc RUSTDOC=${found[0]}/rustdoc
}

# Building a tool takes minutes, so it is kept outside of the checkout. It is not optimised: that would take twice as long, and the
# tools have little to do.
need_cargo_tool() {
	local tools=${XDG_CACHE_HOME:-$HOME/.cache}/measureroot/$1-$2
	CARGO_TOOL=$tools/bin/$1
	[[ -x $CARGO_TOOL ]] || CARGO_PROFILE_DEV_DEBUG=false "$CARGO" install --quiet --locked --debug --root "$tools" "$1@$2" "${@:3}"
}

# MEASUREROOT_STD=rebuilt|prebuilt forces one of the two; a rebuilt library makes the agent some 270 KB smaller.
choose_agent_toolchain() {
	case ${MEASUREROOT_STD:-any} in
	prebuilt) _with_target || _with_target_of_rustup ;;
	rebuilt) _with_source || _with_source_of_debian ;;
	any) _with_target || _with_source || _with_target_of_rustup || _with_source_of_debian ;;
	*) echo "$0: MEASUREROOT_STD is \"$MEASUREROOT_STD\": only prebuilt and rebuilt are known" >&2 && exit 1 ;;
	esac && return
	echo "$0: no Rust toolchain can build for $AGENT_TARGET: run 'rustup target add $AGENT_TARGET'" >&2
	exit 1
}

_with_target() { AGENT_STD=prebuilt && _first has_target; }
_with_source() { AGENT_STD=rebuilt && _first has_source; }
_with_target_of_rustup() {
	command -v rustup >/dev/null || return 1
	echo "$0: asks rustup for the standard library of $AGENT_TARGET"
	# A minute is enough for 30 MB. If its server does not answer, rustup alone would try for much longer.
	(cd "$_toolchain_root" && timeout 60 rustup target add "$AGENT_TARGET") && _with_target
}
_with_source_of_debian() { need_packages rustc-web cargo-web rust-web-src && _with_source; }

# Takes the first toolchain that passes the check.
_first() {
	local folder
	while read -r folder; do
		if "$1" "$folder"; then
			AGENT_CARGO=$folder/cargo AGENT_RUSTC=$folder/rustc
			return
		fi
	done < <(toolchains)
	return 1
}

# shellcheck shell=bash disable=SC2034,SC2154
# The C compiler and the C library for a static program. Sourced, after packages.sh and private-apt.sh; the caller sets
# `repo`, and toolchain.sh sets AGENT_TARGET.
#   choose_compiler   sets AGENT_CC and AGENT_AR (a gcc that sees musl's headers and none of glibc's, and ar), AGENT_MUSL (the
#                     folder with musl's libc.a and start files), and AGENT_ENVIRONMENT, the variables that pass them to cargo
# For another architecture, Debian has a cross compiler as a package of this machine's architecture. Debian's musl for it is in
# the archive of that architecture: the package is unpacked, not installed.

choose_compiler() {
	AGENT_ENVIRONMENT=()
	if [[ ${AGENT_TARGET%%-*} == "$(uname -m)" ]]; then
		need_tools gcc=gcc musl-gcc=musl-tools
		# Debian's package gcc only recommends libc6-dev.
		[[ -f /usr/include/stdio.h ]] || need_packages libc6-dev
		AGENT_CC=musl-gcc AGENT_AR=ar
		AGENT_MUSL=$(_musl_here)
		return
	fi
	local machine=${AGENT_TARGET%%-*} cross=$repo/target/cross/${AGENT_TARGET%%-*} variable=${AGENT_TARGET//-/_}
	need_tools "$machine-linux-gnu-gcc=gcc-${machine//_/-}-linux-gnu"
	AGENT_CC=$cross/$machine-linux-musl-gcc AGENT_AR=$machine-linux-gnu-ar AGENT_MUSL=$cross/musl/usr/lib/$machine-linux-musl
	_open_musl "$machine" "$cross"
	_write_wrapper "$machine-linux-gnu-gcc" "$cross/musl/usr/include/$machine-linux-musl"
	AGENT_ENVIRONMENT=("CC_$variable=$AGENT_CC" "AR_$variable=$AGENT_AR" "CARGO_TARGET_${variable^^}_LINKER=$AGENT_CC")
}

_musl_here() {
	local machine=${AGENT_TARGET%%-*} musl
	for musl in "/usr/lib/$machine-linux-musl" /usr/lib/musl/lib "/usr/$machine-linux-musl/lib64" /usr/local/musl/lib; do
		[[ -f $musl/rcrt1.o ]] && echo "$musl" && return
	done
	echo "$0: musl's rcrt1.o is missing (Debian has it in musl-dev)" >&2
	return 1
}

# Unpacks Debian's musl-dev for the architecture $1 into $2/musl, unless an earlier run did so.
_open_musl() {
	local cross=$2 architecture work
	[[ ! -f $AGENT_MUSL/libc.a ]] || return 0
	case $1 in
	aarch64) architecture=arm64 ;;
	x86_64) architecture=amd64 ;;
	*) echo "$0: Debian's name for the architecture $1 is not known here" >&2 && return 1 ;;
	esac
	echo "build: fetches musl for $1 from Debian ($architecture); it is not installed"
	mkdir -p "$cross"
	work=$(mktemp -d "$cross/fetch.XXXXXX")
	foreign_apt "$work" "$architecture"
	(cd "$work" && apt-get -c apt.conf -qq download musl-dev && dpkg-deb --extract musl-dev_*.deb musl)
	rm -rf "$cross/musl"
	mv "$work/musl" "$cross/musl"
	rm -r "$work"
}

# Writes the script $AGENT_CC: the compiler $1 with the headers in $2, which is what musl-gcc is for this architecture.
_write_wrapper() {
	local own script
	own=$("$1" -print-file-name=include)
	script=$(printf '#!/bin/sh\nexec %q -nostdinc -isystem %q -isystem %q "$@"' "$1" "$2" "$own")
	# Written only if it changed: cargo builds everything again if the compiler's file is newer.
	[[ -x $AGENT_CC && $(<"$AGENT_CC") == "$script" ]] || { echo "$script" >"$AGENT_CC" && chmod +x "$AGENT_CC"; }
}

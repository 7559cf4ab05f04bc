# shellcheck shell=bash
# Where rustc looks for a static musl program's start files and C library, when its own toolchain has none. Sourced.
#   own_sysroot FOLDER   makes FOLDER that place from the distribution's musl and gcc
#   no_unwinder FOLDER   leaves a libunwind.a there that does nothing, with what spares the agent musl's printf, and the
#                        linker script that goes with it

own_sysroot() {
	local lib=$1/lib/rustlib/$AGENT_TARGET/lib/self-contained musl file
	for musl in /usr/lib/x86_64-linux-musl /usr/lib/musl/lib /usr/x86_64-linux-musl/lib64 /usr/local/musl/lib; do
		[[ ! -f $musl/rcrt1.o ]] || break
	done
	if [[ ! -f $musl/rcrt1.o ]]; then
		echo "$0: no rcrt1.o of musl (Debian has it in musl-dev)" >&2
		return 1
	fi
	mkdir -p "$lib"
	for file in crt1.o Scrt1.o rcrt1.o crti.o crtn.o libc.a; do
		ln -sfn "$musl/$file" "$lib/$file"
	done
	for file in crtbegin.o crtbeginS.o crtend.o crtendS.o; do
		ln -sfn "$(gcc "-print-file-name=$file")" "$lib/$file"
	done
}

no_unwinder() {
	local lib=${BASH_SOURCE[0]%/*} name
	[[ ! -f $1/libunwind.a ]] || return 0
	mkdir -p "$1"
	for name in no-unwinder no-printf; do
		gcc -Os -fPIC -fno-asynchronous-unwind-tables -c -o "$1/$name.o" "$lib/$name.c"
	done
	cp "$lib/no-unwind-tables.ld" "$1/"
	ar rcsD "$1/libunwind.a" "$1/no-unwinder.o" "$1/no-printf.o"
}

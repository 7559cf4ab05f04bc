# shellcheck shell=bash disable=SC2154
# Where rustc looks for a static musl program's start files and C library, when its own toolchain has none. Sourced, after
# cross.sh's choose_compiler.
#   own_sysroot FOLDER   makes FOLDER that place from musl's files and gcc's
#   no_unwinder FOLDER   leaves a libunwind.a there that does nothing, with what spares the agent musl's printf, and the
#                        linker script that goes with it

own_sysroot() {
	local lib=$1/lib/rustlib/$AGENT_TARGET/lib/self-contained file
	mkdir -p "$lib"
	for file in crt1.o Scrt1.o rcrt1.o crti.o crtn.o libc.a; do
		ln -sfn "$AGENT_MUSL/$file" "$lib/$file"
	done
	for file in crtbegin.o crtbeginS.o crtend.o crtendS.o; do
		ln -sfn "$("$AGENT_CC" "-print-file-name=$file")" "$lib/$file"
	done
	# For this machine rustc knows of static programs at fixed addresses only, and links them with these three.
	if [[ $AGENT_TARGET == aarch64-* ]]; then
		ln -sfn rcrt1.o "$lib/crt1.o"
		ln -sfn crtbeginS.o "$lib/crtbegin.o"
		ln -sfn crtendS.o "$lib/crtend.o"
	fi
}

no_unwinder() {
	local lib=${BASH_SOURCE[0]%/*} name
	[[ ! -f $1/libunwind.a ]] || return 0
	mkdir -p "$1"
	for name in no-unwinder no-printf; do
		"$AGENT_CC" -Os -fPIC -fno-asynchronous-unwind-tables -c -o "$1/$name.o" "$lib/$name.c"
	done
	cp "$lib/no-unwind-tables.ld" "$1/"
	"$AGENT_AR" rcsD "$1/libunwind.a" "$1/no-unwinder.o" "$1/no-printf.o"
}

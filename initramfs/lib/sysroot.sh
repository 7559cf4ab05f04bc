# shellcheck shell=bash disable=SC2154
# The folders in which rustc finds the start files and libraries of a static musl program. Sourced, after cross.sh's
# choose_compiler and toolchain.sh's choose_agent_toolchain.
#   own_sysroot FOLDER   makes FOLDER a sysroot: with the toolchain's files if it has the target's standard library, else with
#                        those of musl and gcc
#   no_unwinder FOLDER   compiles tss2/stubs to FOLDER/libunwind.a, and copies the linker script that goes with it

own_sysroot() {
	local lib=$1/lib/rustlib/$AGENT_TARGET/lib start=$1/lib/rustlib/$AGENT_TARGET/lib/self-contained file
	# After an update the toolchain has other files.
	rm -rf "$lib"
	mkdir -p "$start"
	if [[ $AGENT_STD == prebuilt ]]; then
		for file in "$(sysroot "${AGENT_RUSTC%/*}")/lib/rustlib/$AGENT_TARGET/lib"/{*.rlib,*.rmeta,self-contained/*}; do
			ln -s "$file" "$lib/${file#*"/$AGENT_TARGET/lib/"}"
		done
	else
		for file in crt1.o Scrt1.o rcrt1.o crti.o crtn.o libc.a; do
			ln -s "$AGENT_MUSL/$file" "$start/$file"
		done
		for file in crtbegin.o crtbeginS.o crtend.o crtendS.o; do
			ln -s "$("$AGENT_CC" "-print-file-name=$file")" "$start/$file"
		done
	fi
	# For arm64 rustc knows only static programs at fixed addresses (rustc_target, aarch64_unknown_linux_musl.rs), and links
	# them with these three start files. A fixed address helps an attacker, so these names lead to the start files of a
	# position-independent program.
	if [[ $AGENT_TARGET == aarch64-* ]]; then
		ln -sfn rcrt1.o "$start/crt1.o"
		ln -sfn crtbeginS.o "$start/crtbegin.o"
		ln -sfn crtendS.o "$start/crtend.o"
	fi
}

no_unwinder() {
	local stubs=${BASH_SOURCE[0]%/*}/../tss2/stubs name
	[[ ! -f $1/libunwind.a ]] || return 0
	mkdir -p "$1"
	for name in no-unwinder no-printf; do
		"$AGENT_CC" -Os -fPIC -fno-asynchronous-unwind-tables -c -o "$1/$name.o" "$stubs/$name.c"
	done
	cp "$stubs/no-unwind-tables.ld" "$1/"
	"$AGENT_AR" rcsD "$1/libunwind.a" "$1/no-unwinder.o" "$1/no-printf.o"
}

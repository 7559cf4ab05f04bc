# shellcheck shell=bash
# Where rustc looks for a static musl program's start files and C library, when its own toolchain has none. Sourced.
#   own_sysroot FOLDER   makes FOLDER that place from the distribution's musl and gcc

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
	[[ -f $lib/libunwind.a ]] || unwinder "$lib"
}

# The standard library links an unwinder even where panics abort. This one has no frame to show: a backtrace is empty.
unwinder() {
	gcc -Os -ffreestanding -fPIC -fno-asynchronous-unwind-tables -x c -c -o "$1/unwind.o" - <<-EOF
		int _Unwind_Backtrace(void *each, void *data) { (void)each; (void)data; return 5; /* end of stack */ }
		unsigned long _Unwind_GetIP(void *frame) { (void)frame; return 0; }
		unsigned long _Unwind_GetCFA(void *frame) { (void)frame; return 0; }
		void *_Unwind_FindEnclosingFunction(void *address) { (void)address; return 0; }
	EOF
	ar rcsD "$1/libunwind.a" "$1/unwind.o"
}

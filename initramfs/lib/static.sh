# shellcheck shell=bash disable=SC2154
# Builds a static program for the agent's target that contains nothing of the build machine. Sourced, after toolchain.sh and
# sysroot.sh; comes after choose_compiler and choose_agent_toolchain; the caller sets `repo`.
#   build_static FOLDER ARGUMENT...   `cargo build` in the target folder FOLDER: FOLDER/$AGENT_TARGET/release/...

# Everything about how the agent is compiled that is not in Cargo.toml's release profile.
build_static() {
	local folder=$1 root source unwinder
	shift
	local cargo_flags=(--release --locked --target "$AGENT_TARGET" "$@")
	root=$(sysroot "${AGENT_RUSTC%/*}")
	# The program contains no path of the build machine, so that any checkout gives the same bytes.
	source=$(readlink -m "$root/lib/rustlib/src/rust")
	local flags=(
		"--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
		"--remap-path-prefix=$source=rust"
		"--remap-path-prefix=$root/lib/rustlib/src/rust=rust"
		"--remap-path-prefix=$repo=measureroot"
	)
	# Cargo does not watch these files. The folder is named after their content: if they change, cargo links again.
	unwinder=$folder/$AGENT_TARGET-no-unwinder-$(cat "$repo"/initramfs/tss2/stubs/no-* | sha256sum | cut --characters=-16)
	no_unwinder "$unwinder"
	# musl's start code for static programs does not make these pages read-only (RELRO), so they need no separate pages.
	flags+=(-Crelro-level=off)
	flags+=("-Lnative=$unwinder" -Clink-arg=-T "-Clink-arg=$unwinder/no-unwind-tables.ld")
	# The target folder is not the one of the programs for this machine: those may come from another toolchain.
	local environment=(RUSTC="$AGENT_RUSTC" CARGO_TARGET_DIR="$folder" SOURCE_DATE_EPOCH=0 "${AGENT_ENVIRONMENT[@]}")
	own_sysroot "$folder/sysroot"
	flags+=(--sysroot "$folder/sysroot")
	# own_sysroot has the start files for this. If options of gcc contradict each other, the last one counts.
	[[ $AGENT_TARGET != aarch64-* ]] || flags+=(-Clink-arg=-static-pie)
	if [[ $AGENT_STD == rebuilt ]]; then
		environment+=(RUSTC_BOOTSTRAP=1)
		cargo_flags+=("-Zbuild-std=std,panic_abort" -Zbuild-std-features=optimize_for_size)
		# A panic's message has no place in the source: the places would be a twentieth of the agent.
		flags+=(-Zlocation-detail=none)
	fi
	environment+=(CARGO_ENCODED_RUSTFLAGS="$(IFS=$'\x1f' && echo "${flags[*]}")")
	forget_old_library "$folder"
	env "${environment[@]}" "$AGENT_CARGO" build "${cargo_flags[@]}"
}

# Removes the library of tpm2-tss from the target folder $1, if another build script made it. Cargo compares only the times of files:
# in a folder that came from another checkout, it could keep a library of other parts, and linking would fail with symbols that are
# defined twice.
forget_old_library() {
	local content
	content=$(cat "$repo"/initramfs/tss2/static/{build.rs,source.sha256} | sha256sum)
	[[ $(cat "$1/tss2-static" 2>/dev/null) != "$content" ]] || return 0
	rm -rf "$1"/{,"$AGENT_TARGET/"}release/{build,.fingerprint}/tss2-static-*
	mkdir -p "$1"
	echo "$content" >"$1/tss2-static"
}

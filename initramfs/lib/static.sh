# shellcheck shell=bash disable=SC2154
# A program for the agent's target: static, and nothing of the building machine in it. Sourced, after toolchain.sh and
# sysroot.sh, when toolchain and compiler are chosen; the caller sets `repo`.
#   build_static FOLDER ARGUMENT...   `cargo build` in the target folder FOLDER: FOLDER/$AGENT_TARGET/release/...

# Everything about how the agent is compiled that is not in Cargo.toml's release profile.
build_static() {
	local folder=$1 root source unwinder
	shift
	local cargo_flags=(--release --locked --target "$AGENT_TARGET" "$@")
	root=$(sysroot "${AGENT_RUSTC%/*}")
	# No path of the building machine in the program, so that any checkout gives the same bytes.
	source=$(readlink -m "$root/lib/rustlib/src/rust")
	local flags=(
		"--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
		"--remap-path-prefix=$source=rust"
		"--remap-path-prefix=$root/lib/rustlib/src/rust=rust"
		"--remap-path-prefix=$repo=measureroot"
	)
	# Cargo does not see these files: another folder, by their content, tells it to build again.
	unwinder=$folder/$AGENT_TARGET-no-unwinder-$(cat "$repo"/initramfs/tss2/stubs/no-* | sha256sum | cut --characters=-16)
	no_unwinder "$unwinder"
	flags+=("-Lnative=$unwinder" -Clink-arg=-T "-Clink-arg=$unwinder/no-unwind-tables.ld")
	# Never in a folder cargo shares with the programs for this machine: they may come from another toolchain.
	local environment=(RUSTC="$AGENT_RUSTC" CARGO_TARGET_DIR="$folder" SOURCE_DATE_EPOCH=0 "${AGENT_ENVIRONMENT[@]}")
	own_sysroot "$folder/sysroot"
	flags+=(--sysroot "$folder/sysroot")
	# See own_sysroot: of gcc's words the last one counts.
	[[ $AGENT_TARGET != aarch64-* ]] || flags+=(-Clink-arg=-static-pie)
	if [[ $AGENT_STD == rebuilt ]]; then
		environment+=(RUSTC_BOOTSTRAP=1)
		cargo_flags+=("-Zbuild-std=std,panic_abort" -Zbuild-std-features=optimize_for_size)
		# A panic says what happened, not where: the places alone would be a twentieth of the agent.
		flags+=(-Zlocation-detail=none)
	fi
	environment+=(CARGO_ENCODED_RUSTFLAGS="$(IFS=$'\x1f' && echo "${flags[*]}")")
	env "${environment[@]}" "$AGENT_CARGO" build "${cargo_flags[@]}"
}

# shellcheck shell=bash disable=SC2154
# Builds the program for people, for this machine's architecture. Sourced; comes after toolchain.sh's choose_toolchain; the
# caller sets `repo` and `target_dir`.
#   build_program   makes $target_dir/release/measureroot

build_program() {
	# The program contains no path of the build machine, so that any checkout gives the same bytes.
	local flags=("--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo" "--remap-path-prefix=$repo=measureroot")
	CARGO_ENCODED_RUSTFLAGS="$(IFS=$'\x1f' && echo "${flags[*]}")" CARGO_TARGET_DIR=$target_dir SOURCE_DATE_EPOCH=0 \
		"$CARGO" build --release --locked
}

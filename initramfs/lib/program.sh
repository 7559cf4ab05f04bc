# shellcheck shell=bash disable=SC2154
# The program for people, for machines like this one. Sourced, after toolchain.sh, when the toolchain is chosen; the caller
# sets `repo` and `target_dir`.
#   build_program   makes $target_dir/release/measureroot

build_program() {
	# No path of the building machine in the program, so that any checkout gives the same bytes.
	local flags=("--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo" "--remap-path-prefix=$repo=measureroot")
	CARGO_ENCODED_RUSTFLAGS="$(IFS=$'\x1f' && echo "${flags[*]}")" CARGO_TARGET_DIR=$target_dir SOURCE_DATE_EPOCH=0 \
		"$CARGO" build --release --locked
}

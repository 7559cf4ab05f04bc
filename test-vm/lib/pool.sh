# shellcheck shell=bash disable=SC2154
# Runs all tests of the workspace, several files with tests at a time. Sourced, after packages.sh and toolchain.sh's choose_toolchain.
#   run_all_tests   prints what each file's tests say, and the seconds that each file took; fails if one of them fails
# cargo alone runs one file after the other. The longest test of each file then runs alone, and one processor waits.

# The files whose tests take minutes, the longest first: one of them at the end would run alone.
long_files=(altered chain_shim lying_disk image_advice seal live chain chain_stub failures mkosi initramfs_tools devices firmware
	chain_installed faulty_tpm dracut debian installer size measure forms selinux prepared keylime late_failures session
	failing_disk chain_grub memory attest modules aarch64 root
	debian_package fault_matrix tpm12 rtmr)

# Prints the options of cargo that choose the tests of one file, a line for each file with tests, the long ones first.
test_files() {
	local choices
	# All choices are of the whole workspace: with one package alone, cargo gives other features to its dependencies, and would
	# compile them again.
	choices=$("$CARGO" metadata --locked --no-deps --format-version 1 | jq --raw-output '
		[.packages[].targets[] | (select(.test) | if .kind[0] == "test" then "--test \(.name)" elif .kind[0] == "bin" then "--bin \(.name)" else "--lib" end),
			(select(.doctest) | "--doc")] | unique | .[]')
	{ printf -- '--test %s\n' "${long_files[@]}" | grep --fixed-strings --line-regexp --regexp="$choices" && echo "$choices"; } | awk '!seen[$0]++'
}

# Prints the processor time of a shell's children in seconds, from what its `times` said. The rest of a test's time, it waited.
processor_seconds() { awk 'NR == 2 { for (i = 1; i <= NF; i++) { split($i, part, "m"); sum += part[1] * 60 + part[2] } printf "%d", sum }' "$1"; }

# Runs the tests of one file, and prints their output when they end, so that the outputs of several files do not mix.
run_test_file() {
	local folder=$1 status=0 start=$SECONDS log
	shift
	log=$folder/${*//[ -]/}
	RUST_TEST_THREADS=1 "$CARGO" test --locked --no-fail-fast --workspace "$@" >"$log" 2>&1 || status=$?
	cat "$log"
	# A subshell has no children yet.
	times >"$log.times"
	echo "$((SECONDS - start)) $(processor_seconds "$log.times") $*" >>"$folder/seconds"
	((status == 0)) || echo "$*" >>"$folder/failed"
	return "$status"
}

run_all_tests() {
	local folder status=0
	need_tools jq=jq
	"$CARGO" test --locked --workspace --no-run
	folder=$(mktemp -d "$CARGO_TARGET_DIR/tests.XXXXXX")
	export -f processor_seconds run_test_file
	# One more than there are processors: a boot sometimes waits for a limit of time, and some tests wait for files.
	# shellcheck disable=SC2016 # The inner shell's own arguments.
	test_files | xargs -P $(($(nproc) + 1)) -L 1 bash -euo pipefail -c 'run_test_file "$@"' - "$folder" || status=1
	echo "test: the seconds of each file with tests, and how many of them a processor worked for it:"
	sort --numeric-sort --reverse "$folder/seconds"
	[[ ! -f $folder/failed ]] || sed 's/^/test: FAILED: /' "$folder/failed" >&2
	rm -r "$folder"
	return "$status"
}

# shellcheck shell=bash disable=SC2034,SC2154 # used, or set, by the caller
# The initramfs of each contestant, and the archive with the benchmark's own part. Sourced; the caller sets `here`, `out` and
# `repo`. The kernel unpacks one archive after the other, so a contestant's archive stays as it is shipped.

initramfs_packages=(cpio zstd swtpm swtpm-tools tpm2-tools libtss2-tcti-device0)

# The libraries of the program $1. A static program has none, and ldd fails on it.
libraries_of() {
	{ ldd "$1" 2>/dev/null || true; } | sed -n 's/.* => \(\/[^ ]*\).*/\1/p'
}

# The library that tpm2_pcrextend loads by name. ldd does not list it.
device_driver() {
	ldconfig -p | sed -n 's/.*libtss2-tcti-device\.so\.0 .*=> //p' | sed -n 1p
}

# A key that changes with the packed files and with the functions that pack them.
initramfs_key() {
	local program files=("$here/bench.d/guest/pipeline" "$out/guest/start" "$out/guest/clock" "$(device_driver)")
	for program in swtpm busybox sha1sum tpm2_pcrextend; do
		program=$(command -v "$program")
		mapfile -t -O "${#files[@]}" files < <(echo "$program" && libraries_of "$program")
	done
	declare -f make_bench_part make_tpm_part make_pipeline copy_program pack | key_of - "${files[@]}"
}

# Copies the program $1 to the file $3 and the libraries it is linked with into the folder $2.
copy_program() {
	local libraries
	mapfile -t libraries < <(libraries_of "$1")
	install -D "$1" "$3"
	mkdir -p "$2"
	((${#libraries[@]} == 0)) || install --mode=0644 --target-directory="$2" "${libraries[@]}"
}

loader() {
	ldd "$(command -v swtpm)" | grep -o '/[^ ]*/ld-linux[^ ]*'
}

# Packs the folder $1 into the file $2. It uses the strongest compression, because the sizes are compared.
pack() {
	(cd "$1" && find . -mindepth 1 | LC_ALL=C sort | cpio --quiet --create --format=newc --owner=0:0 --reproducible) |
		zstd -q -19 -o "$2"
	rm -r "$1"
}

# Makes the benchmark's own part: swtpm with its libraries, and the program that starts it.
make_bench_part() {
	local tree=$1/tree
	copy_program "$(command -v swtpm)" "$tree/bench/lib" "$tree/bench/swtpm"
	install "$(loader)" "$tree/bench/ld.so"
	install "$out/guest/start" "$out/guest/clock" "$tree/bench/"
	mkdir -p "$tree/dev"
	pack "$tree" "$1/cpio.zst"
}

# Makes the state of a new TPM with the banks $1 (such as sha1+sha256) in the folder $2.
make_tpm_part() {
	local state=$2/tree/bench/state
	mkdir -p "$state"
	swtpm_setup --tpm2 --tpmstate "$state" --pcr-banks "${1//+/,}" --overwrite --logfile "$2/log" >/dev/null || {
		cat "$2/log" >&2
		return 1
	}
	rm -f "$state/.lock"
	pack "$2/tree" "$2/cpio.zst"
}

# Makes the initramfs of the shell pipeline with the sha1sum of $1 (busybox or coreutils) in the folder $2.
make_pipeline() {
	local sums=$1 tree=$2/tree library applet
	library=$tree/lib/x86_64-linux-gnu
	copy_program "$(command -v busybox)" "$library" "$tree/bin/busybox"
	for applet in sh cat mount mkdir sleep switch_root; do
		ln -s busybox "$tree/bin/$applet"
	done
	if [[ $sums == busybox ]]; then
		ln -s busybox "$tree/bin/sha1sum"
	else
		copy_program "$(command -v sha1sum)" "$library" "$tree/bin/sha1sum"
	fi
	copy_program "$(command -v tpm2_pcrextend)" "$library" "$tree/bin/tpm2_pcrextend"
	install --mode=0644 "$(device_driver)" "$library/"
	install -D "$(loader)" "$tree/lib64/ld-linux-x86-64.so.2"
	install "$here/bench.d/guest/pipeline" "$tree/init"
	mkdir -p "$tree"/{dev,proc,sys,run}
	pack "$tree" "$2/cpio.zst"
}

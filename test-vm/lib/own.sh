# shellcheck shell=bash disable=SC2154
# A kernel of the fragments in kernel-fragments/ and nothing else. Sourced, after fragments.sh; the caller sets `repo`.

# For a measured boot, for the comparison of the TPM's key, and for the machine of the boot tests.
own_features=(measureroot.scc tpm-session.scc test-vm.scc)

# All features except for those of one machine.
every_feature() { (cd "$repo/kernel-fragments" && grep --files-without-match 'COMPATIBILITY board' -- *.scc); }

own_kernel_key() {
	local features
	mapfile -t features < <(every_feature)
	{ declare -f make_own_kernel try_features && fragment_kernel_key "${features[@]}" "${own_features[@]}"; } | key_of -
}

# Checks that Kconfig drops no option of any feature, on a kernel that can start the agent. No boot here tests Xen's driver, so
# that must at least compile.
try_features() {
	local folder=$1 features feature
	mapfile -t features < <(every_feature)
	for feature in "${features[@]}"; do
		configure_kernel "$folder" initramfs.scc "$feature"
	done
	configure_kernel "$folder" xen.scc
	build_kernel "$folder" drivers/char/tpm/xen-tpmfront.o
}

# Builds into the folder $1: vmlinuz, config.
make_own_kernel() {
	local folder=$1
	open_kernel_source x86_64 "$folder"
	try_features "$folder"
	configure_kernel "$folder" "${own_features[@]}"
	build_kernel "$folder" bzImage
	mv "$folder/build/.config" "$folder/config"
	mv "$folder/build/arch/x86/boot/bzImage" "$folder/vmlinuz"
	close_kernel_source "$folder"
	echo "images: the kernel of the fragments alone has $(stat --format=%s "$folder/vmlinuz") bytes"
}

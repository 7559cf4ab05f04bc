# shellcheck shell=bash disable=SC2034,SC2154 # used, or set, by the caller
# The user-mode Linux kernel of the benchmark. Sourced, after cache.sh, fragments.sh and backports.sh.
#
# It comes from the backports, because user-mode Linux before 6.13 keeps the registers of a process in a fixed size. A processor with
# AMX has more of them, and the guest panics at its first program.

# What a kernel is made with. The first is the older source of the other kernels.
uml_packages=("${kernel_packages[@]:1}")

# A newer source in the backports does not change the key: the kernel that is there measures as well.
kernel_key() {
	local fragments
	mapfile -t fragments < <(fragments_of uml.scc)
	{
		dpkg-query --show gcc
		declare -f make_kernel configure_kernel build_kernel
		grep --no-filename -e ^CONFIG_ -e ' is not set$' "${fragments[@]}"
	} | key_of -
}

# Builds into the folder $1: linux, config.
make_kernel() {
	local folder=$1 kernel_source
	open_backports "$folder/apt"
	local -x APT_CONFIG=$folder/apt/apt.conf
	kernel_source=$(backports_package linux-source linux-source-)
	mkdir "$folder/build"
	backports_source "$kernel_source" "$folder" | tar --extract --directory "$folder"
	rm -r "$folder/apt" "$folder"/*.deb
	kernel_make=(nice make -C "$folder/$kernel_source" O="$folder/build" ARCH=um --silent --jobs="$(nproc)")
	configure_kernel "$folder" uml.scc
	build_kernel "$folder" linux
	mv "$folder/build/.config" "$folder/config"
	strip -o "$folder/linux" "$folder/build/linux"
	close_kernel_source "$folder"
	echo "bench: user-mode Linux of $kernel_source"
}

# shellcheck shell=bash
# The user-mode Linux kernel of the benchmark. Sourced, after cache.sh and fragments.sh.

kernel_key() {
	{ declare -f make_kernel && fragment_kernel_key uml.scc; } | key_of -
}

# Builds into the folder $1: linux, config.
make_kernel() {
	local folder=$1
	open_kernel_source um "$folder"
	configure_kernel "$folder" uml.scc
	build_kernel "$folder" linux
	mv "$folder/build/.config" "$folder/config"
	strip -o "$folder/linux" "$folder/build/linux"
	close_kernel_source "$folder"
}

# shellcheck shell=bash disable=SC2034,SC2154 # used, or set, by the caller
# The user-mode Linux kernel of the benchmark. Sourced, after cache.sh; the caller sets `repo`.

linux_source=linux-source-6.12

kernel_packages=("$linux_source" gcc make flex bison bc xz-utils libc6-dev)

# The fragments that the benchmark's feature names.
kernel_fragments() {
	"$repo/kernel-fragments/check" --list "$repo/kernel-fragments/uml.scc"
}

# A new source, compiler, recipe or option makes a new kernel; a new comment does not.
kernel_key() {
	local fragments
	mapfile -t fragments < <(kernel_fragments)
	{
		dpkg-query --show "$linux_source" gcc
		declare -f make_kernel
		grep --no-filename -e ^CONFIG_ -e ' is not set$' "${fragments[@]}"
	} | key_of -
}

# Builds into the folder $1: linux, config. About six minutes on two cores.
make_kernel() {
	local folder=$1 source fragments make
	mapfile -t fragments < <(kernel_fragments)
	mkdir "$folder/build"
	tar -xf "/usr/src/$linux_source.tar.xz" -C "$folder"
	source=$folder/$linux_source
	make=(nice make -C "$source" O="$folder/build" ARCH=um --silent --jobs="$(nproc)")
	"${make[@]}" tinyconfig
	"$source/scripts/kconfig/merge_config.sh" -m -O "$folder/build" "$folder/build/.config" "${fragments[@]}" >/dev/null
	"${make[@]}" olddefconfig
	# Kconfig drops what it cannot have without a word.
	"$repo/kernel-fragments/check" --quiet "$folder/build/.config" "${fragments[@]}"
	"${make[@]}" linux >"$folder/log" 2>&1 || { tail -n 20 "$folder/log" >&2 && return 1; }
	mv "$folder/build/.config" "$folder/config"
	strip -o "$folder/linux" "$folder/build/linux"
	rm -r "$folder/build" "$source"
}

# shellcheck shell=bash disable=SC2154 # set by the caller
# The user-mode Linux kernel of the benchmark. Sourced; the caller sets `repo`.

linux_source=linux-source-6.12

kernel_packages=("$linux_source" gcc make flex bison bc xz-utils libc6-dev)

# A new source, compiler or fragment makes a new kernel.
kernel_key() {
	dpkg-query --show "$linux_source" gcc | cat - "${BASH_SOURCE[0]}" "$@" | sha256sum
}

# The fragments that the benchmark's feature names.
kernel_fragments() {
	"$repo/kernel-fragments/check" --list "$repo/kernel-fragments/uml.scc"
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

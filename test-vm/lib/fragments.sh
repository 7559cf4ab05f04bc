# shellcheck shell=bash disable=SC2034,SC2154
# A kernel whose configuration is tinyconfig and kernel fragments, and nothing else. Sourced, after cache.sh; the caller sets
# `repo`.
#   fragment_kernel_key FEATURE...             prints a key that changes if the kernel would change
#   open_kernel_source ARCH FOLDER             unpacks the source, and sets the call of make, for the others
#   configure_kernel FOLDER FEATURE...         configures it; an option that Kconfig drops is an error
#   build_kernel FOLDER TARGET                 makes TARGET in FOLDER/build
#   close_kernel_source FOLDER                 deletes the source and FOLDER/build

kernel_source=linux-source-6.12
kernel_packages=("$kernel_source" gcc make flex bison bc xz-utils libc6-dev libelf-dev libssl-dev)

# Prints the fragments of these features, each once, in the order of merging.
fragments_of() {
	"$repo/kernel-fragments/check" --list "${@/#/$repo/kernel-fragments/}" | awk '!seen[$0]++'
}

# A new source, compiler, function or option changes the key. A new comment does not.
fragment_kernel_key() {
	local fragments
	mapfile -t fragments < <(fragments_of "$@")
	((${#fragments[@]})) || return 1
	{
		dpkg-query --show "$kernel_source" gcc
		declare -f open_kernel_source configure_kernel build_kernel
		grep --no-filename -e ^CONFIG_ -e ' is not set$' "${fragments[@]}"
	} | key_of -
}

open_kernel_source() {
	mkdir "$2/build"
	tar -xf "/usr/src/$kernel_source.tar.xz" -C "$2"
	kernel_make=(nice make -C "$2/$kernel_source" O="$2/build" ARCH="$1" --silent --jobs="$(nproc)")
}

configure_kernel() {
	local folder=$1 fragments
	mapfile -t fragments < <(fragments_of "${@:2}")
	if [[ ! -f $folder/build/tiny ]]; then
		"${kernel_make[@]}" tinyconfig
		cp "$folder/build/.config" "$folder/build/tiny"
	fi
	"$folder/$kernel_source/scripts/kconfig/merge_config.sh" -m -O "$folder/build" "$folder/build/tiny" "${fragments[@]}" >/dev/null
	"${kernel_make[@]}" olddefconfig
	# Kconfig silently drops an option whose dependencies are missing.
	"$repo/kernel-fragments/check" --quiet "$folder/build/.config" "${fragments[@]}"
}

# A whole kernel takes five to six minutes on two cores.
build_kernel() {
	"${kernel_make[@]}" "$2" >"$1/log" 2>&1 || { tail -n 20 "$1/log" >&2 && return 1; }
}

close_kernel_source() { rm -r "${1:?}/build" "${1:?}/$kernel_source"; }

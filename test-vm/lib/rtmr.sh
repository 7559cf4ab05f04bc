# shellcheck shell=bash disable=SC2154,SC2016
# A kernel with the measurement registers of a TDX guest, emulated by the kernel's own sample. Sourced, after backports.sh.
#
# The sample (Linux 6.16 and newer, samples/tsm-mr/tsm_mr_sample.c) is not in Debian's kernels, so it is compiled here as a module for
# Debian 13's kernel of the backports: with the headers of that kernel, and with the compiler of this machine. The programs among the
# headers need Debian 13's C library, so they run with its loader. The file comes out of the package with the kernel's source, which has
# 167 MB; apt has no smaller one with it. All of it takes 25 seconds.

# Downloads these packages into the folder $1, and unpacks them there.
rtmr_unpack() {
	local folder=$1 package
	shift
	for package in "$@"; do
		download "$package" "$folder"
		dpkg-deb --extract "$folder"/*.deb "$folder"
		rm "$folder"/*.deb
	done
}

# Makes the program $1 of Debian 13 run with the C library in $2.
rtmr_wrap() {
	local libraries=$2/usr/lib/x86_64-linux-gnu
	mv "$1" "$1.program"
	printf '#!/bin/sh\nexec %q --library-path %q --argv0 "$0" %q "$@"\n' \
		"$libraries/ld-linux-x86-64.so.2" "$libraries" "$1.program" >"$1"
	chmod +x "$1"
}

# Unpacks the kernel into $1: vmlinuz, config, modules. The sample is one of its modules.
make_rtmr_kernel() {
	local folder=$1 work=$1/work headers release image source program
	open_backports "$folder/apt"
	local -x APT_CONFIG=$folder/apt/apt.conf
	headers=$(backports_package linux-headers-cloud-amd64 linux-headers-)
	source=$(backports_package linux-source linux-source-)
	release=${headers#linux-headers-}
	image=linux-image-$release
	mkdir "$work"
	# In newer packages the image only depends on the others, which have its files.
	mapfile -t parts < <(apt-cache show "$image" | sed -n 's/^Depends: //p' | grep --only-matching --extended-regexp "linux-[a-z]*-${release//+/\\+}")
	rtmr_unpack "$work" "$image" "${parts[@]}" "$headers" "linux-headers-${release%-cloud-amd64}-common" \
		"linux-kbuild-${release%-cloud-amd64}"
	rtmr_unpack "$work" libc6 libelf1t64 zlib1g libzstd1
	# tar ends as soon as it has the file, and the others then have no reader.
	backports_source "$source" "$work" |
		tar --extract --occurrence --to-stdout "$source/samples/tsm-mr/tsm_mr_sample.c" >"$work/sample.c" || true
	grep --quiet tsm_mr_create_attribute_group "$work/sample.c"
	rm "$work"/*.deb

	# The names of the driver for TDX: the misc device has the name of the module, and RTMR 2 is the register that Linux may extend.
	mkdir "$work/module"
	# The sample starts its registers with their names. A TDX guest starts them with zeros, so that a log can lead to the value.
	sed 's/rtmr1/rtmr2/g; /^\t\.rtmr2 = /d' "$work/sample.c" >"$work/module/tdx_guest.c"
	echo 'obj-m := tdx_guest.o' >"$work/module/Makefile"
	find -L "$work/usr/src" -name Makefile -path "*linux-headers-$release/*" -prune -exec sed -i "s|/usr/src/|$work/usr/src/|" {} +
	for program in scripts/basic/fixdep scripts/mod/modpost scripts/mod/modpost.real-lsb-64 tools/objtool/objtool \
		tools/objtool/objtool.real-x86; do
		program=$(echo "$work"/usr/lib/linux-kbuild-*/"$program")
		[[ ! -f $program ]] || rtmr_wrap "$program" "$work"
	done
	# Debian 12's compiler is older than that of the kernel: it lacks one option, which only aligns functions. The module needs no types
	# for BPF, for which a further program would be needed.
	quietly make -C "$work/usr/src/linux-headers-$release" M="$work/module" CC=gcc HOSTCC=gcc \
		CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT= CONFIG_DEBUG_INFO_BTF_MODULES= modules

	mkdir "$folder/lib"
	mv "$work/usr/lib/modules" "$folder/lib/modules"
	find "$work/boot" -name "vmlinuz-$release" -exec mv {} "$folder/lib/modules/$release/vmlinuz" \; 2>/dev/null || true
	find "$work/boot" -name "config-$release" -exec mv {} "$folder/lib/modules/$release/config" \; 2>/dev/null || true
	# The sample is in the place of the driver, whose name it has.
	find "$folder/lib/modules/$release" -name 'tdx-guest.ko*' -delete
	install -D --mode=0644 "$work/module/tdx_guest.ko" "$folder/lib/modules/$release/extra/tdx_guest.ko"
	rm --recursive "$work" "$folder/apt"
	rm --force "$folder/lib/modules/$release"/{build,source}
	ln -s "lib/modules/$release" "$folder/modules"
	mv "$folder/lib/modules/$release"/{vmlinuz,config} "$folder"
	depmod --basedir "$folder" "$release"
	echo "images: Debian's $image, with the sample of $source"
}

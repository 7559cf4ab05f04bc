# shellcheck shell=bash disable=SC2154
# The products of the external tree for Buildroot. Sourced; the caller sets `here` and `out`.

# Builds the agent and the initramfs with the package's rules, in $out/buildroot, for Debian's 6.1 kernel and with its modules.
# Cargo builds only what has changed.
make_with_buildroot() {
	local folder=$out/buildroot build=$out/buildroot/build log=$out/buildroot.log source checkout=$here/..
	choose_toolchain
	source=$build/measureroot-checkout
	mkdir -p "$source" "$build/linux-6.1" "$folder/target/lib/modules" "$build/host-measureroot-tss2-4.1.3"
	# A copy of git's files with the crates beside them, like a download of Buildroot. Unchanged files keep their dates.
	# Cargo finds programs and tests by their names, so sources that were deleted must not stay.
	(cd "$source" && find . \( -path ./VENDOR -o -path ./target \) -prune -o -name '*.rs' -printf '%P\n') | LC_ALL=C sort |
		LC_ALL=C comm -23 - <(cd "$checkout" && git ls-files | LC_ALL=C sort) | (cd "$source" && xargs --no-run-if-empty rm)
	(cd "$checkout" && git ls-files -z | xargs -0 cp --parents --update --preserve=timestamps --target-directory="$source")
	if ! cmp --quiet "$checkout/Cargo.lock" "$source/VENDOR/Cargo.lock"; then
		# Removed while cargo runs: cargo warns if there are two configuration files.
		rm -f "$source/.cargo/config"
		(cd "$source" && "$CARGO" vendor --quiet --locked VENDOR >"$build/vendored")
		mv "$build/vendored" "$source/.cargo/config"
		cp "$checkout/Cargo.lock" "$source/VENDOR/"
	fi
	tar -xzf "$checkout/target/sources/tpm2-tss-4.1.3.tar.gz" --strip-components=1 -C "$build/host-measureroot-tss2-4.1.3"
	cp "$out"/kernel-6.1/boot/config-* "$build/linux-6.1/.config"
	# Those of an older kernel would stay beside them.
	rm -f "$folder/target/lib/modules/"*
	ln -sfn "$(realpath "$out/kernel-6.1/modules")" "$folder/target/lib/modules/"
	"$out/kconfiglib/venv/bin/python" "$here/buildroot/configure" \
		"$checkout/initramfs/installed/buildroot/configs/measureroot_qemu_x86_64_defconfig" "$folder/.config" \
		'BR2_PACKAGE_MEASUREROOT_MODULES="virtio_pci virtio_blk virtio_console loop overlay squashfs dm-verity"'
	rm -f "$build"/*/.stamp_installed
	if ! env --unset=CARGO_TARGET_DIR PATH="${CARGO%/*}:$PATH" make -f "$here/buildroot/Makefile" "O=$folder" MEASUREROOT_VERSION=checkout \
		"BR2_EXTERNAL_MEASUREROOT_PATH=$(realpath "$checkout/initramfs/installed/buildroot")" \
		"STAND_IN_HOST_PROGRAM=$(realpath "$checkout/target/release/measureroot")" measureroot >"$log" 2>&1; then
		tail --lines=40 "$log" >&2
		exit 1
	fi
}

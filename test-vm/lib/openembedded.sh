# shellcheck shell=bash disable=SC2154
# The products of the recipes for OpenEmbedded. Sourced; the caller sets `here` and `out`.

# Builds the agent with the tasks of its recipe, in $out/openembedded. It is stripped and placed there as in a package of
# OpenEmbedded, beside the modules of Debian's 6.1 kernel. Cargo builds only what has changed.
bake_agent() {
	local folder=$out/openembedded log=$out/openembedded.log built
	choose_toolchain
	"$CARGO" fetch --quiet --locked
	mkdir -p "$folder"
	if ! "$out/oelint/venv/bin/python" "$here/openembedded/bake" --set "TMPDIR=$folder" --set "CARGO=$CARGO" \
		recipes-core/measureroot/measureroot_git.bb fetch do_configure do_compile do_install >"$log" 2>&1; then
		tail --lines=40 "$log" >&2
		exit 1
	fi
	built=$folder/packages/usr/lib/measureroot/init
	mkdir -p "${built%/*}" "$folder/packages/lib/modules"
	strip --strip-unneeded -o "$built" "$folder/work/measureroot/image/usr/lib/measureroot/init"
	# The kernel of an earlier run may have another version.
	rm -f "$folder/packages/lib/modules/"*
	ln -sfn "$(realpath "$out/kernel-6.1/modules")" "$folder/packages/lib/modules/"
}

# shellcheck shell=bash disable=SC2154
# Writes a program's bill of materials (CycloneDX 1.5, JSON). Sourced, after toolchain.sh.
#   sbom FILE RUSTC CARGO-CYCLONEDX-WORDS...   for a program that RUSTC built with these features and this target

sbom() {
	local file=$1 rustc=$2 repo=$_toolchain_root name sha256 source
	shift 2
	need_tools jq=jq
	need_cargo_tool cargo-cyclonedx 0.5.7
	# cargo-cyclonedx writes a file beside each Cargo.toml of the workspace, and has no option to write elsewhere.
	name=sbom-$$
	(cd "$repo" && CARGO=$CARGO "$CARGO_TOOL" cyclonedx --quiet --format json --spec-version 1.5 \
		--no-build-deps --override-filename "$name" "$@")
	read -r sha256 source <"$repo/initramfs/tss2/static/source.sha256"
	# The time and the folder are removed, so that the same program has the same file. tpm2-tss and Rust's standard library are
	# added, because Cargo does not list them.
	jq --sort-keys --arg folder "$repo" --arg rustc "$("$rustc" --version | cut -d ' ' -f 2)" \
		--arg sha256 "$sha256" --arg source "$source" '
		def place: gsub("path\\+file://" + $folder; "path+file://.");
		del(.serialNumber, .metadata.timestamp)
		| walk(if type == "string" then place else . end)
		| .components += [
			{type: "library", name: "tpm2-tss", version: ($source | capture("-(?<v>[0-9.]+)\\.tar").v),
				licenses: [{expression: "BSD-2-Clause"}], hashes: [{alg: "SHA-256", content: $sha256}]},
			{type: "library", name: "rust-std", version: $rustc, licenses: [{expression: "MIT OR Apache-2.0"}]}]
	' "$repo/$name.json" >"$file"
	find "$repo" -path "$repo/target" -prune -o -name "$name.json" -exec rm {} +
}

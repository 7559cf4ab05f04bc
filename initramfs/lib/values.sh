# shellcheck shell=bash
# The values of an example image, for a release. Sourced.
#   make_values PROGRAM FOLDER [KEY]   writes into FOLDER: example.squashfs, and what PROGRAM (measureroot) predicts of it, as
#                                      example.in-toto.json, example.corim and example.rvps.json; with KEY, a private key in PEM, the first two
#                                      are signed, and signer.pem is the public key

make_values() {
	local program=$1 folder=$2 key=${3-} tree format name
	local -a sign=()
	tree=$(mktemp --directory)
	mkdir "$tree/root"
	echo "An example of an image: its values are beside it." >"$tree/root/README"
	touch --date=@0 "$tree/root/README" "$tree/root"
	# Of the same files, each machine makes the same bytes.
	SOURCE_DATE_EPOCH=0 mksquashfs "$tree/root" "$folder/example.squashfs" -comp zstd -all-root -noappend -quiet -no-progress
	rm -r "$tree"
	if [[ -n $key ]]; then
		sign=(--sign "$key")
		openssl pkey -in "$key" -pubout -out "$folder/signer.pem"
	else
		echo "release: the values of the example image are NOT SIGNED: initramfs/release --sign KEY signs them" >&2
	fi
	for format in in-toto:in-toto.json corim:corim; do
		name=example.${format#*:}
		"$program" predict --format "${format%:*}" "${sign[@]}" "$folder/example.squashfs" >"$folder/$name"
	done
	"$program" predict --format rvps "$folder/example.squashfs" >"$folder/example.rvps.json"
}

# shellcheck shell=bash disable=SC2154
# A cache for products that take long to make. Sourced; the caller sets `out`.
#   cached NAME KEY COMMAND...   runs COMMAND with a new folder as its last argument, and makes that folder $out/NAME; does
#                                nothing if $out/NAME was made with the same KEY
#   key_of FILE...               prints a key that changes with each of the files

# shellcheck source=initramfs/installed/quietly.sh
. "${BASH_SOURCE[0]%/*}/../../initramfs/installed/quietly.sh"

cached() {
	local name=$1 key=$2 folder=$out/$1
	shift 2
	if [[ -f $folder/key && $(<"$folder/key") == "$key" ]]; then
		return
	fi
	echo "images: makes $name"
	rm -rf "$folder.new" "$folder"
	mkdir -p "$folder.new"
	"$@" "$folder.new"
	echo "$key" >"$folder.new/key"
	mv "$folder.new" "$folder"
}

key_of() { cat -- "$@" | sha256sum | cut -d ' ' -f 1; }

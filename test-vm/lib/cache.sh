# shellcheck shell=bash disable=SC2154
# Slow products are made once. Sourced; the caller sets `out`.
#   cached NAME KEY COMMAND...   runs COMMAND with a new folder as its last argument, which becomes $out/NAME, unless the
#                                folder there was made with the same KEY; says what it makes
#   quietly COMMAND...           shows what COMMAND says only if it fails
#   key_of FILE...               a key that changes when any of the files does

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

quietly() {
	local said status=0
	said=$("$@" 2>&1) || status=$?
	((status == 0)) || printf '%s\n' "$said" >&2
	return "$status"
}

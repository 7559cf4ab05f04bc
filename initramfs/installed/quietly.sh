# shellcheck shell=bash
# Sourced; installed beside iso.sh.
#   quietly COMMAND...   runs the command, and shows its output only if it fails

quietly() {
	local output status=0
	output=$("$@" 2>&1) || status=$?
	((status == 0)) || printf '%s\n' "$output" >&2
	return "$status"
}

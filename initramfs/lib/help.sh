# shellcheck shell=bash
# The help of the scripts that a person runs. Sourced.
#   help_if_asked SCRIPT "$@"   if the first argument is --help or -h, prints the comment at the head of SCRIPT, a path in the
#                               checkout, and exits

help_if_asked() {
	[[ ${2-} == --help || ${2-} == -h ]] || return 0
	sed --silent '2,/^[^#]/ s/^# \{0,1\}//p' "${BASH_SOURCE[0]%/*}/../../$1"
	exit 0
}

# shellcheck shell=bash
# Programs from the Python package index. Sourced, after cache.sh.
#   make_python REQUIREMENTS FOLDER   makes FOLDER/venv, a Python environment with the packages that REQUIREMENTS pins,
#                                     for Debian's Python

make_python() {
	/usr/bin/python3 -m venv "$2/venv"
	quietly "$2/venv/bin/pip" install --disable-pip-version-check --require-hashes --requirement "$1"
}

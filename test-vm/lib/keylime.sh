# shellcheck shell=bash disable=SC2154
# Keylime's verifier, from the Python package index. Sourced; the caller sets `here`.

# Makes a Python environment with it. Its imports come from Debian's packages, so it needs Debian's Python.
make_keylime() {
	/usr/bin/python3 -m venv --system-site-packages "$1/venv"
	quietly "$1/venv/bin/pip" install --disable-pip-version-check --no-deps --require-hashes \
		--requirement "$here/keylime/requirements.txt"
}

# shellcheck shell=bash disable=SC2154
# Keylime's verifier, from the Python package index. Sourced; the caller sets `here`.

# A Python environment with it; all that it imports comes from Debian's packages. Debian's Python, whatever else is there.
make_keylime() {
	/usr/bin/python3 -m venv --system-site-packages "$1/venv"
	quietly "$1/venv/bin/pip" install --disable-pip-version-check --no-deps --require-hashes \
		--requirement "$here/keylime/requirements.txt"
}

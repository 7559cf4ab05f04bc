# shellcheck shell=bash disable=SC2034,SC2154,SC2016
# Keylime from the Python package index. Sourced, after debian.sh; the caller sets `here`, `out` and `probe`.

# What its programs import, beside what is in test-vm/keylime/requirements.txt.
keylime_packages=(gnutls-bin python3-cryptography python3-gpg python3-jsonschema python3-lark python3-mako python3-packaging python3-psutil
	python3-pyasn1 python3-pyasn1-modules python3-requests python3-tornado python3-venv python3-yaml)

# Makes a Python environment with verifier, registrar and tenant, which needs Debian's Python, and a certificate authority in $1/cv_ca.
make_keylime() {
	/usr/bin/python3 -m venv --system-site-packages "$1/venv"
	quietly "$1/venv/bin/pip" install --disable-pip-version-check --no-deps --require-hashes \
		--requirement "$here/keylime/requirements.txt"
	local what
	for what in init "create --name server" "create --name client"; do
		# shellcheck disable=SC2086 # Words.
		KEYLIME_CA_CONFIG=$here/keylime/keylime.conf KEYLIME_LOGGING_CONFIG=$here/keylime/keylime.conf KEYLIME_DIR=$1 \
			quietly "$1/venv/bin/keylime_ca" --dir "$1/cv_ca" --command $what
	done
	# The programs name their interpreter by its path, and `cached` moves the folder.
	sed --in-place "1s|$1/|${1%.new}/|" "$1"/venv/bin/keylime*
}

# Makes a squashfs of Debian 12 with an agent, which trusts the authority that make_keylime made.
make_keylime_agent() {
	local folder=$1 agent=$here/keylime/agent
	quietly "$out/keylime/venv/bin/python" -m pip install --disable-pip-version-check --no-deps --require-hashes --ignore-installed --no-compile \
		--target "$folder/lib" --requirement "$agent/requirements.txt"
	rm -r "$folder/lib/bin"
	make_debian_tree "$folder" bookworm "$keylime_agent_packages" \
		--customize-hook='mkdir -p "$1/usr/lib/keylime" "$1/etc/keylime" "$1/var/lib/keylime"' \
		--customize-hook="copy-in '$folder/lib/keylime' '$agent/start' /usr/lib/keylime" \
		--customize-hook="copy-in '$agent/agent.conf' '$out/keylime/cv_ca/cacert.crt' /etc/keylime" \
		--customize-hook="copy-in '$agent/keylime_agent.service' /etc/systemd/system" \
		--customize-hook="copy-in '$agent/10-qemu.network' /etc/systemd/network" \
		--customize-hook='chroot "$1" python3 -m compileall -q /usr/lib/keylime' \
		--customize-hook='systemctl --root="$1" --quiet enable keylime_agent.service systemd-networkd.service'
	fakeroot -i "$folder/owners" mksquashfs "$folder/tree" "$folder/root.squashfs" -comp zstd -noappend -quiet -no-progress
	rm -r "$folder/tree" "$folder/owners" "${folder:?}/lib"
}

# What the agent imports, and the programs that it runs.
keylime_agent_packages=libtss2-tcti-device0,python3-cryptography,python3-gpg,python3-lark,python3-packaging,python3-psutil
keylime_agent_packages+=,python3-pyasn1-modules,python3-requests,python3-tornado,python3-yaml,tpm2-tools,udev

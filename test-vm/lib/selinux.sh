# shellcheck shell=bash disable=SC2016
# A Debian with SELinux. Sourced, after debian.sh.

# Debian 12 with Debian's policy, as an erofs with the labels of that policy. The kernel opens the files of an overlay with the domain
# of the program that mounted it, kernel_t, so a module lets every domain use its descriptors: the one that docs/parameters.md shows.
make_selinux() {
	local folder=$1 contexts=etc/selinux/default/contexts/files module line
	line=$(grep --only-matching --max-count=1 '(allow domain kernel_t (fd (use)))' docs/parameters.md)
	module='cd "$1" &&
		echo "'$line'" >tmp/overlay.cil &&
		chroot . sh -c "cd /tmp && semodule --noreload --store=default --install=overlay.cil" && rm tmp/overlay.cil &&
		rm -r var/lib/selinux usr/share/selinux &&
		echo "/usr/lib/measureroot/probe -- system_u:object_r:initrc_exec_t:s0" >>'$contexts/file_contexts.local
	make_debian_tree "$folder" bookworm selinux-policy-default,policycoreutils --customize-hook="$module"
	make_debian_erofs "$folder" --file-contexts="$folder/tree/$contexts/file_contexts"
}

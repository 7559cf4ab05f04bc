################################################################################
#
# measureroot-tss2
#
################################################################################

# The source of tpm2-tss, which measureroot compiles into itself. This package builds
# and installs nothing.
MEASUREROOT_TSS2_VERSION = 4.1.3
MEASUREROOT_TSS2_SOURCE = tpm2-tss-$(MEASUREROOT_TSS2_VERSION).tar.gz
MEASUREROOT_TSS2_SITE = $(call github,tpm2-software,tpm2-tss,$(MEASUREROOT_TSS2_VERSION))
MEASUREROOT_TSS2_LICENSE = BSD-2-Clause
MEASUREROOT_TSS2_LICENSE_FILES = LICENSE

$(eval $(host-generic-package))

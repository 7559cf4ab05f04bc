################################################################################
#
# measureroot
#
################################################################################

# The current commit of the checkout that contains this external tree.
MEASUREROOT_CHECKOUT = $(realpath $(BR2_EXTERNAL_MEASUREROOT_PATH)/../../..)
MEASUREROOT_VERSION := $(shell git -C $(BR2_EXTERNAL_MEASUREROOT_PATH) rev-parse HEAD)
MEASUREROOT_SITE = file://$(MEASUREROOT_CHECKOUT)
MEASUREROOT_SITE_METHOD = git
MEASUREROOT_LICENSE = MIT or Apache-2.0, BSD-2-Clause (tpm2-tss), Apache-2.0 (tss-esapi), BSD-3-Clause (subtle)
MEASUREROOT_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE
MEASUREROOT_INSTALL_TARGET = NO
MEASUREROOT_INSTALL_IMAGES = YES
MEASUREROOT_DEPENDENCIES = host-measureroot host-measureroot-tss2 linux
HOST_MEASUREROOT_DEPENDENCIES = host-measureroot-tss2

# Buildroot's configuration of the vendored crates replaces .cargo/config.toml, so the
# settings for tpm2-tss in that file are repeated here.
MEASUREROOT_TSS2_OPTS = --bin measureroot --config target.$(1).tss2-esys.version=\"$(MEASUREROOT_TSS2_VERSION)\"
MEASUREROOT_TSS2_ENV = TPM2_TSS_SOURCE_PATH=$(HOST_MEASUREROOT_TSS2_DIR)

# The agent is PID 1 of an initramfs that has no library and no dynamic linker. It is
# optimised for size as in Cargo.toml, whose profile Buildroot overrides.
MEASUREROOT_CARGO_BUILD_OPTS = \
	$(call MEASUREROOT_TSS2_OPTS,$(RUSTC_TARGET_NAME)) \
	--no-default-features
MEASUREROOT_CARGO_ENV = \
	$(MEASUREROOT_TSS2_ENV) \
	CARGO_TARGET_$(call UPPERCASE,$(RUSTC_TARGET_NAME))_RUSTFLAGS="-C target-feature=+crt-static" \
	CARGO_PROFILE_RELEASE_OPT_LEVEL="z" \
	CARGO_PROFILE_RELEASE_LTO="fat" \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS="1"

HOST_MEASUREROOT_CARGO_BUILD_OPTS = $(call MEASUREROOT_TSS2_OPTS,$(RUSTC_HOST_NAME))
HOST_MEASUREROOT_CARGO_ENV = $(MEASUREROOT_TSS2_ENV)

define HOST_MEASUREROOT_INSTALL_CMDS
	$(INSTALL) -D -m 0755 $(@D)/target/release/measureroot $(HOST_DIR)/bin/measureroot
endef

MEASUREROOT_AGENT = target/$(RUSTC_TARGET_NAME)/$(if $(BR2_ENABLE_DEBUG),debug,release)/measureroot

define MEASUREROOT_CHECK_STATIC
	@if $(TARGET_READELF) -lW $(@D)/$(MEASUREROOT_AGENT) | grep -q INTERP; then \
		echo "measureroot: the agent is not static, and an initramfs has no libraries: does the toolchain have libc.a?" >&2; \
		exit 1; \
	fi
endef
MEASUREROOT_POST_BUILD_HOOKS += MEASUREROOT_CHECK_STATIC

MEASUREROOT_MODULES = $(call qstrip,$(BR2_PACKAGE_MEASUREROOT_MODULES))
# Every image needs these.
MEASUREROOT_NEEDS = OVERLAY_FS:overlay BLK_DEV_LOOP:loop DM_VERITY:dm-verity
MEASUREROOT_FRAGMENTS = \
	$(addprefix $(MEASUREROOT_CHECKOUT)/kernel-fragments/,$(call qstrip,$(BR2_PACKAGE_MEASUREROOT_KERNEL_FRAGMENTS)))

# If the kernel lacks an option, the boot would stop. So the build stops.
define MEASUREROOT_CHECK_KERNEL
	@if ! $(HOST_DIR)/bin/measureroot kernel-config $(LINUX_DIR)/.config $(MEASUREROOT_FRAGMENTS) >$(@D)/kernel-check; then \
		cat $(@D)/kernel-check >&2; \
		echo "measureroot: add the fragments with these options to BR2_LINUX_KERNEL_CONFIG_FRAGMENT_FILES, as measureroot_qemu_x86_64_defconfig does" >&2; \
		exit 1; \
	elif [ -z "$(MEASUREROOT_MODULES)" ] && grep '^module: ' $(@D)/kernel-check >&2; then \
		echo "measureroot: the kernel has these as modules: name them in BR2_PACKAGE_MEASUREROOT_MODULES, or build them in" >&2; \
		exit 1; \
	fi
	@for need in $(foreach need,$(MEASUREROOT_NEEDS),$(if $(filter $(lastword $(subst :, ,$(need))),$(MEASUREROOT_MODULES)),,$(need))); do \
		if grep -q "^CONFIG_$${need%:*}=m" $(LINUX_DIR)/.config; then \
			echo "measureroot: the kernel has $${need#*:} as a module: add it to BR2_PACKAGE_MEASUREROOT_MODULES" >&2; \
			exit 1; \
		fi; \
	done
endef

define MEASUREROOT_INSTALL_IMAGES_CMDS
	$(MEASUREROOT_CHECK_KERNEL)
	$(HOST_DIR)/bin/measureroot initramfs \
		--agent $(@D)/$(MEASUREROOT_AGENT) \
		--output $(BINARIES_DIR)/measureroot.cpio.zst \
		$(if $(MEASUREROOT_MODULES),--kernel-modules $(TARGET_DIR)/lib/modules/$(LINUX_VERSION_PROBED)) \
		$(addprefix --module ,$(MEASUREROOT_MODULES))
endef

$(eval $(cargo-package))
$(eval $(host-cargo-package))

# The commit identifies the source, and its archive has no checksum that a file here
# could contain.
BR_NO_CHECK_HASH_FOR += $(MEASUREROOT_SOURCE)

################################################################################
#
# The prediction, beside each root image that measureroot can boot
#
################################################################################

MEASUREROOT_SUFFIX = pcr$(BR2_PACKAGE_MEASUREROOT_PCR)

define MEASUREROOT_PREDICT
	$(foreach form,$(call qstrip,$(BR2_PACKAGE_MEASUREROOT_PREDICTIONS)),\
		$(HOST_DIR)/bin/measureroot predict --device --pcr $(BR2_PACKAGE_MEASUREROOT_PCR) --format $(form) $@ \
			>$@.$(MEASUREROOT_SUFFIX)$(if $(filter-out tpm2-yaml,$(form)),.$(form))$(sep))
	$(if $(MEASUREROOT_CMDLINE),$(MEASUREROOT_PREDICT_CHAIN))
endef

MEASUREROOT_CMDLINE = $(call qstrip,$(BR2_PACKAGE_MEASUREROOT_CMDLINE))

# The files are named as they are called, and not where they are built.
define MEASUREROOT_PREDICT_CHAIN
	@$(HOST_DIR)/bin/measureroot explain "$(MEASUREROOT_CMDLINE)" >/dev/null || { \
		echo "measureroot: the boot would stop at this command line: change BR2_PACKAGE_MEASUREROOT_CMDLINE" >&2; \
		exit 1; \
	}
	@rm -f $@.chain.json
	@cd $(BINARIES_DIR) && $(HOST_DIR)/bin/measureroot predict --json \
		--kernel $(LINUX_IMAGE_NAME) --initrd measureroot.cpio.zst --append "$(MEASUREROOT_CMDLINE)" \
		--device --pcr $(BR2_PACKAGE_MEASUREROOT_PCR) $(notdir $@) >$@.chain.json.new || { \
		rm -f $@.chain.json.new; \
		echo "measureroot: what starts the agent cannot be predicted (see above): the kernel needs CONFIG_EFI_STUB, or leave BR2_PACKAGE_MEASUREROOT_CMDLINE empty" >&2; \
		exit 1; \
	}
	@mv $@.chain.json.new $@.chain.json
	@echo "measureroot: with UEFI, all PCRs that follow are in $(notdir $@).chain.json; a BIOS measures neither the kernel nor the initramfs"
endef

ifeq ($(BR2_PACKAGE_MEASUREROOT),y)
# check-package TypoInPackageVariable
ROOTFS_SQUASHFS_POST_GEN_HOOKS += MEASUREROOT_PREDICT
# check-package TypoInPackageVariable
ROOTFS_EROFS_POST_GEN_HOOKS += MEASUREROOT_PREDICT
ifeq ($(BR2_TARGET_ROOTFS_EXT2_4),y)
# check-package TypoInPackageVariable
ROOTFS_EXT2_POST_GEN_HOOKS += MEASUREROOT_PREDICT
endif
endif

# Cargo.toml's rust-version. Checked here, because cargo would fail only after an hour
# of building.
MEASUREROOT_RUST = 1.88

ifeq ($(BR2_PACKAGE_MEASUREROOT)$(BR_BUILDING),yy)
ifeq ($(MEASUREROOT_VERSION),)
$(error measureroot is built from a git checkout, and $(MEASUREROOT_CHECKOUT) is none (see above): clone it with git)
endif
ifneq ($(shell printf '%s\n' $(MEASUREROOT_RUST) $(RUST_BIN_VERSION) | sort -VC || echo older),)
$(error measureroot is built with Rust $(MEASUREROOT_RUST) or newer, and this Buildroot has $(RUST_BIN_VERSION): take a newer Buildroot)
endif
ifeq ($(BR2_TARGET_ROOTFS_SQUASHFS)$(BR2_TARGET_ROOTFS_EROFS)$(BR2_TARGET_ROOTFS_EXT2_4),)
$(error measureroot boots squashfs, erofs and ext4, and no such image is made: add BR2_TARGET_ROOTFS_SQUASHFS=y)
endif
ifeq ($(BR2_LINUX_KERNEL),)
$(error measureroot checks the kernel that boots it, and none is built: add BR2_LINUX_KERNEL=y)
endif
endif

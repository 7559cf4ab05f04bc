SUMMARY = "The initramfs that measures a root image and boots it"
DESCRIPTION = "For INITRAMFS_IMAGE: the agent, the modules it loads, and nothing else. The package manager puts the agent and the kernel's modules into a root file system, as for \
               any image; what of it the agent needs is then packed by measureroot itself, the same bytes for the same input."
LICENSE = "MIT"

# The modules that the boot needs, by name: what they need in turn comes with them. None for a kernel with all built in.
MEASUREROOT_MODULES ?= ""

# kernel-base has the lists of what is a module and what is built in.
PACKAGE_INSTALL = "measureroot ${@'kernel-base kernel-modules' if d.getVar('MEASUREROOT_MODULES').split() else ''}"
NO_RECOMMENDATIONS = "1"
IMAGE_FEATURES = ""
IMAGE_LINGUAS = ""
IMAGE_FSTYPES = "${INITRAMFS_FSTYPES}"
# The kernel's recipe and wic look for the name without it.
IMAGE_NAME_SUFFIX ?= ""
IMAGE_ROOTFS_SIZE = "8192"
IMAGE_ROOTFS_EXTRA_SPACE = "0"
# A kernel that carries this initramfs in itself is deployed after it.
KERNEL_DEPLOY_DEPEND = ""

inherit image

do_image_cpio[depends] += "measureroot-native:do_populate_sysroot virtual/kernel:do_shared_workdir"

do_image_cpio[file-checksums] += "${MEASUREROOT_CHECKOUT}/kernel-fragments:True"

IMAGE_CMD:cpio () {
    # The options that the kernel lacks, before a machine stops for want of them.
    said=$(measureroot kernel-config ${STAGING_KERNEL_BUILDDIR}/.config \
        $(printf '${MEASUREROOT_CHECKOUT}/kernel-fragments/%s ' ${MEASUREROOT_KERNEL_FEATURES})) || bbfatal "the kernel lacks options that a measured boot needs:
$said
Add DISTRO_FEATURES:append = \" measureroot\", which brings them to linux-yocto, or require recipes-kernel/linux/measureroot-kernel.inc in a .bbappend of your kernel's recipe"
    if [ -z "${MEASUREROOT_MODULES}" ] && echo "$said" | grep -q '^module: '; then
        bbfatal "the kernel has as modules what a measured boot needs, and MEASUREROOT_MODULES is empty: name them there, or build them in:
$(echo "$said" | grep '^module: ')"
    fi
    # Whatever the image is, these it needs.
    for need in OVERLAY_FS:overlay BLK_DEV_LOOP:loop DM_VERITY:dm-verity; do
        if grep -q "^CONFIG_${need%:*}=m" ${STAGING_KERNEL_BUILDDIR}/.config; then
            case " ${MEASUREROOT_MODULES} " in
                *" ${need#*:} "*) ;;
                *) bbfatal "the kernel has ${need#*:} as a module: add it to MEASUREROOT_MODULES (${MEASUREROOT_MODULES})" ;;
            esac
        fi
    done
    set -- --agent ${IMAGE_ROOTFS}${nonarch_libdir}/measureroot/init --compress none --output ${IMGDEPLOYDIR}/${IMAGE_NAME}.cpio
    if [ -n "${MEASUREROOT_MODULES}" ]; then
        set -- "$@" --kernel-modules ${IMAGE_ROOTFS}${nonarch_base_libdir}/modules/*
    fi
    for module in ${MEASUREROOT_MODULES}; do
        set -- "$@" --module $module
    done
    measureroot initramfs "$@" || bbfatal "the initramfs cannot be packed (see above)"
}

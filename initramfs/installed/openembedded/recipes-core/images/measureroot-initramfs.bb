SUMMARY = "The initramfs that measures a root image and boots it"
DESCRIPTION = "For INITRAMFS_IMAGE: the agent, the modules that it loads, and nothing else. As for any image, the package manager puts the agent and the kernel's modules into a root \
               file system. measureroot then packs the files that the boot needs, the same bytes for the same input."
LICENSE = "MIT"

# Names of the modules that the boot needs. The modules that these need are added. Empty for a kernel with all built in.
MEASUREROOT_MODULES ?= ""

# kernel-base contains the lists of modules and of what is built in.
PACKAGE_INSTALL = "measureroot ${@'kernel-base kernel-modules' if d.getVar('MEASUREROOT_MODULES').split() else ''}"
NO_RECOMMENDATIONS = "1"
IMAGE_FEATURES = ""
IMAGE_LINGUAS = ""
IMAGE_FSTYPES = "${INITRAMFS_FSTYPES}"
# The kernel's recipe and wic expect a name without a suffix.
IMAGE_NAME_SUFFIX ?= ""
IMAGE_ROOTFS_SIZE = "8192"
IMAGE_ROOTFS_EXTRA_SPACE = "0"
# A kernel that contains this initramfs is deployed after it, so the initramfs must not wait for that.
KERNEL_DEPLOY_DEPEND = ""

inherit image

do_image_cpio[depends] += "measureroot-native:do_populate_sysroot virtual/kernel:do_shared_workdir"

do_image_cpio[file-checksums] += "${MEASUREROOT_CHECKOUT}/kernel-fragments:True"

IMAGE_CMD:cpio () {
    # If the kernel lacks an option, the boot would stop. So the build stops.
    said=$(measureroot kernel-config ${STAGING_KERNEL_BUILDDIR}/.config \
        $(printf '${MEASUREROOT_CHECKOUT}/kernel-fragments/%s ' ${MEASUREROOT_KERNEL_FEATURES})) || bbfatal "the kernel lacks options that a measured boot needs:
$said
Add DISTRO_FEATURES:append = \" measureroot\", which brings them to linux-yocto, or require recipes-kernel/linux/measureroot-kernel.inc in a .bbappend of your kernel's recipe"
    if [ -z "${MEASUREROOT_MODULES}" ] && echo "$said" | grep -q '^module: '; then
        bbfatal "the kernel has as modules what a measured boot needs, and MEASUREROOT_MODULES is empty: name them there, or build them in:
$(echo "$said" | grep '^module: ')"
    fi
    # Every image needs these.
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

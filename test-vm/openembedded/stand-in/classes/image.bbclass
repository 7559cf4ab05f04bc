# What stands in for the package manager: the root file system is what the packages have, in STAND_IN_PACKAGES.

STAND_IN_PACKAGES ?= "${TMPDIR}/packages"

do_rootfs () {
    rm -rf ${IMAGE_ROOTFS}
    mkdir -p ${IMAGE_ROOTFS}
    cp -a ${STAND_IN_PACKAGES}/. ${IMAGE_ROOTFS}
}

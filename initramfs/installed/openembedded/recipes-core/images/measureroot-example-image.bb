SUMMARY = "core-image-minimal as a read-only image that is measured when it boots"
DESCRIPTION = "An image to start from: what it inherits and sets is what an image of your own needs."
LICENSE = "MIT"

require recipes-core/images/core-image-minimal.bb

inherit measureroot-image

# The image itself, and a disk that has it in a partition, behind an EFI boot partition with kernel and initramfs.
IMAGE_FSTYPES = "squashfs-zst wic"
IMAGE_FEATURES += "read-only-rootfs"
IMAGE_TYPEDEP:wic = "squashfs-zst"
WKS_FILE = "measureroot-example.wks.in"
do_image_wic[depends] += "${INITRAMFS_IMAGE}:do_image_complete virtual/kernel:do_deploy"

SUMMARY = "core-image-minimal as a read-only image that is measured when it boots"
DESCRIPTION = "An example to start from: an image of your own needs the same class and variables."
LICENSE = "MIT"

require recipes-core/images/core-image-minimal.bb

inherit measureroot-image

# The image itself, and a disk with an EFI boot partition (kernel and initramfs) and the image in a second partition.
IMAGE_FSTYPES = "squashfs-zst wic"
IMAGE_FEATURES += "read-only-rootfs"
IMAGE_TYPEDEP:wic = "squashfs-zst"
WKS_FILE = "measureroot-example.wks.in"
do_image_wic[depends] += "${INITRAMFS_IMAGE}:do_image_complete virtual/kernel:do_deploy"

# For an image recipe (inherit measureroot-image): predicts the PCR of a boot of each read-only image, and writes it beside the
# image, IMAGE.pcr13 for IMAGE. If a build has no image that can be predicted, it fails before it starts. IMAGE.chain.json has all PCRs
# that follow from a disk (wic), or from the kernel, the initramfs and MEASUREROOT_CMDLINE.

# The PCR, the same as rootimgpcr= on the machine's command line.
MEASUREROOT_PCR ?= "13"
# The forms of the prediction, any of "measureroot predict --format". tpm2-yaml, which tpm2_pcrread prints, is IMAGE.pcr13. The
# name of another form is added: IMAGE.pcr13.json.
MEASUREROOT_PREDICTIONS ?= "tpm2-yaml json"
# Where the machine finds the image: "device" for root=, on a partition or a whole disk; "file" for rootimg=, on a medium.
MEASUREROOT_ROOT ?= "device"
# More options for "measureroot predict": --bank sha256, --before HEX.
MEASUREROOT_PREDICT_ARGS ?= ""
# The kernel's command line, if the firmware or U-Boot starts the kernel by its EFI stub and hands it the initramfs: IMAGE.chain.json is
# written then. The disk of the type wic has a command line of its own.
MEASUREROOT_CMDLINE ?= ""
# More options for "measureroot predict" of all PCRs: --like LOG, --bank sha256.
MEASUREROOT_CHAIN_ARGS ?= ""
# The image types that measureroot can boot.
MEASUREROOT_FSTYPES ?= "squashfs squashfs-xz squashfs-lzo squashfs-lz4 squashfs-zst erofs erofs-lz4 erofs-lz4hc ext4"

do_rootfs[depends] += "measureroot-native:do_populate_sysroot"
do_image_complete[depends] += "measureroot-native:do_populate_sysroot"
do_rootfs[prefuncs] += "measureroot_check"
do_image_complete[depends] += "${@'virtual/kernel:do_deploy ' + d.getVar('INITRAMFS_IMAGE') + ':do_image_complete' if d.getVar('MEASUREROOT_CMDLINE') and d.getVar('INITRAMFS_IMAGE') else ''}"
IMAGE_POSTPROCESS_COMMAND += "measureroot_predict; measureroot_chain;"

measureroot_types[doc] = "Prints the types of this build that can be predicted"
measureroot_types () {
    for type in ${IMAGE_FSTYPES}; do
        for known in ${MEASUREROOT_FSTYPES}; do
            if [ "$type" = "$known" ]; then
                echo "$type"
            fi
        done
    done
}

measureroot_check[doc] = "Fails if nothing can be predicted"
measureroot_check () {
    command -v measureroot >/dev/null || bbfatal "measureroot-native is not in this recipe's sysroot: inherit measureroot-image, do not copy from it"
    if [ -z "$(measureroot_types)" ]; then
        bbfatal "IMAGE_FSTYPES (${IMAGE_FSTYPES}) has no image that measureroot boots (${MEASUREROOT_FSTYPES}): add one, IMAGE_FSTYPES += \"squashfs-zst\""
    fi
    case "${MEASUREROOT_ROOT}" in
        device | file) ;;
        *) bbfatal "MEASUREROOT_ROOT is \"${MEASUREROOT_ROOT}\": only device (root=) and file (rootimg=) are known" ;;
    esac
}

# The link points to the file of this build, whose name may come from an earlier run of bitbake. Without links: up to
# nanbield a file's name is IMAGE_NAME and the suffix; since then IMAGE_NAME contains the suffix.
measureroot_file[doc] = "Prints the name of the file of a type"
measureroot_file () {
    found=$(readlink "${IMAGE_LINK_NAME}.$1" || true)
    if [ -z "$found" ]; then
        found=${IMAGE_NAME}.$1
    fi
    if [ ! -f "$found" ]; then
        found=${IMAGE_NAME}${IMAGE_NAME_SUFFIX}.$1
    fi
    echo "$found"
}

measureroot_predict[doc] = "Writes the predictions beside the images"
measureroot_predict () {
    options="--pcr ${MEASUREROOT_PCR} ${MEASUREROOT_PREDICT_ARGS}"
    if [ "${MEASUREROOT_ROOT}" = device ]; then
        options="$options --device"
    fi
    cd ${IMGDEPLOYDIR}
    for type in $(measureroot_types); do
        image=$(measureroot_file $type)
        if [ ! -f "$image" ]; then
            bbfatal "no ${IMAGE_NAME}.$type in ${IMGDEPLOYDIR}: nothing can be predicted of it"
        fi
        for form in ${MEASUREROOT_PREDICTIONS}; do
            suffix=pcr${MEASUREROOT_PCR}
            if [ "$form" != tpm2-yaml ]; then
                suffix=$suffix.$form
            fi
            measureroot predict $options --format "$form" "$image" >"$image.$suffix" || bbfatal "measureroot predict $options $image failed (see above)"
            if [ -n "${IMAGE_LINK_NAME}" ]; then
                ln -sf "$image.$suffix" "${IMAGE_LINK_NAME}.$type.$suffix"
            fi
        done
    done
}

measureroot_write_chain[doc] = "Writes all PCRs that follow beside the file of a type, with the options of measureroot predict"
measureroot_write_chain () {
    type=$1
    shift
    image=$(measureroot_file $type)
    rm -f "$image.chain.json" "${IMAGE_LINK_NAME}.$type.chain.json"
    if measureroot predict --json "$@" ${MEASUREROOT_CHAIN_ARGS} >"$image.chain.json.new"; then
        mv "$image.chain.json.new" "$image.chain.json"
        if [ -n "${IMAGE_LINK_NAME}" ]; then
            ln -sf "$image.chain.json" "${IMAGE_LINK_NAME}.$type.chain.json"
        fi
        bbnote "with UEFI, all PCRs that follow are in $image.chain.json; a BIOS measures neither the kernel nor the initramfs"
    else
        rm -f "$image.chain.json.new"
        return 1
    fi
}

measureroot_chain[doc] = "Writes all PCRs that follow from the disk, or from the kernel and the initramfs"
measureroot_chain () {
    cd ${IMGDEPLOYDIR}
    options="--pcr ${MEASUREROOT_PCR}"
    if [ "${MEASUREROOT_ROOT}" = device ]; then
        options="$options --device"
    fi
    types=$(measureroot_types)
    disk=$(measureroot_file wic)
    if [ -f "$disk" ]; then
        # The root image on the disk, if there is only one that it can be.
        root=''
        if [ "$(echo "$types" | wc -l)" -eq 1 ]; then
            root="$options $(measureroot_file $types)"
        fi
        # Not every disk is one that UEFI starts.
        measureroot_write_chain wic --disk "$disk" $root ||
            bbwarn "$disk: what starts the agent cannot be predicted (see above)"
    fi
    if [ -n "${MEASUREROOT_CMDLINE}" ]; then
        measureroot explain "${MEASUREROOT_CMDLINE}" >/dev/null || bbfatal "the boot would stop at this command line: change MEASUREROOT_CMDLINE"
        # The prediction names the files as they are called, and not where they are built.
        kernel=${KERNEL_IMAGETYPE} initrd=${INITRAMFS_IMAGE_NAME}.${INITRAMFS_FSTYPES}
        for file in $kernel $initrd; do
            if [ ! -f "${DEPLOY_DIR_IMAGE}/$file" ]; then
                bbfatal "no $file in ${DEPLOY_DIR_IMAGE}: nothing can be predicted of it"
            fi
        done
        for type in $types; do
            image=$(measureroot_file $type)
            measureroot_write_chain $type --kernel "${DEPLOY_DIR_IMAGE}/$kernel" --initrd "${DEPLOY_DIR_IMAGE}/$initrd" \
                --append "${MEASUREROOT_CMDLINE}" $options "$image" ||
                bbfatal "what starts the agent cannot be predicted (see above): the kernel needs CONFIG_EFI_STUB, or leave MEASUREROOT_CMDLINE empty"
        done
    fi
}

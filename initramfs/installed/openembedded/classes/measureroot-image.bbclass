# For an image recipe (inherit measureroot-image): predicts the PCR of a boot of each read-only image, and writes it beside the
# image, IMAGE.pcr13 for IMAGE. If a build has no image that can be predicted, it fails before it starts.

# The PCR, the same as rootimgpcr= on the machine's command line.
MEASUREROOT_PCR ?= "13"
# The forms of the prediction, any of "measureroot predict --format". tpm2-yaml, which tpm2_pcrread prints, is IMAGE.pcr13. The
# name of another form is added: IMAGE.pcr13.json.
MEASUREROOT_PREDICTIONS ?= "tpm2-yaml json"
# Where the machine finds the image: "device" for root=, on a partition or a whole disk; "file" for rootimg=, on a medium.
MEASUREROOT_ROOT ?= "device"
# More options for "measureroot predict": --bank sha256, --before HEX.
MEASUREROOT_PREDICT_ARGS ?= ""
# The image types that measureroot can boot.
MEASUREROOT_FSTYPES ?= "squashfs squashfs-xz squashfs-lzo squashfs-lz4 squashfs-zst erofs erofs-lz4 erofs-lz4hc ext4"

do_rootfs[depends] += "measureroot-native:do_populate_sysroot"
do_image_complete[depends] += "measureroot-native:do_populate_sysroot"
do_rootfs[prefuncs] += "measureroot_check"
IMAGE_POSTPROCESS_COMMAND += "measureroot_predict;"

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

measureroot_predict[doc] = "Writes the predictions beside the images"
measureroot_predict () {
    options="--pcr ${MEASUREROOT_PCR} ${MEASUREROOT_PREDICT_ARGS}"
    if [ "${MEASUREROOT_ROOT}" = device ]; then
        options="$options --device"
    fi
    cd ${IMGDEPLOYDIR}
    for type in $(measureroot_types); do
        # The link points to the file of this build, whose name may come from an earlier run of bitbake. Without links: up to
        # nanbield a file's name is IMAGE_NAME and the suffix; since then IMAGE_NAME contains the suffix.
        image=$(readlink "${IMAGE_LINK_NAME}.$type" || true)
        if [ -z "$image" ]; then
            image=${IMAGE_NAME}.$type
        fi
        if [ ! -f "$image" ]; then
            image=${IMAGE_NAME}${IMAGE_NAME_SUFFIX}.$type
        fi
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

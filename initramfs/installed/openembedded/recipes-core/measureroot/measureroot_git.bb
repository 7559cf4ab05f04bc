SUMMARY = "Measure a root image into a TPM 2.0 PCR, and make it the root"
DESCRIPTION = "For the target: the static agent, the /init of an initramfs. For the build machine: the program that predicts \
               the PCR and packs the initramfs."
SECTION = "base"
# The program itself, at the user's choice; then the crates and tpm2-tss inside it (docs/licences.md).
LICENSE = "(MIT | Apache-2.0) & MIT & Apache-2.0 & BSD-2-Clause & BSD-3-Clause"
LIC_FILES_CHKSUM = "\
    file://LICENSE-MIT;md5=f448dcc2ce75472522cc7964ef6bbd41 \
    file://LICENSE-APACHE;md5=3b83ef96387f14655fc854ddc3c6bd57 \
    file://../tpm2-tss-4.1.3/LICENSE;md5=500b2e742befc3da00684d8a1d5fd9da \
"

PV = "0.1.0+git"
# destsuffix is the default of S in every release.
SRC_URI = "\
    git://${MEASUREROOT_CHECKOUT};protocol=file;nobranch=1;destsuffix=${BP} \
    https://github.com/tpm2-software/tpm2-tss/archive/refs/tags/4.1.3.tar.gz;name=tpm2-tss;downloadfilename=tpm2-tss-4.1.3.tar.gz \
"
SRC_URI[tpm2-tss.sha256sum] = "8a389bda64690910e7af7deaf64703a3faed416dc538c9c3e4f893f24893524d"
# The current commit of the layer's checkout: the layer and the sources belong together.
SRCREV = "${@bb.process.run(['git', '-C', d.getVar('MEASUREROOT_CHECKOUT'), 'rev-parse', 'HEAD'])[0].strip()}"
# The archive that GitHub packs from the tag is tested, and Debian has it, too, byte for byte.
# nooelint: oelint.vars.insaneskip
INSANE_SKIP += "src-uri-bad"

require measureroot-crates.inc

inherit cargo

# initramfs/tss2/static compiles it; the agent contains nothing of the distribution's tpm2-tss.
export TPM2_TSS_SOURCE_PATH = "${S}/../tpm2-tss-4.1.3"

# .cargo/config.toml has this setting for the targets of Rust; here it is for OpenEmbedded's name of the target. The quotes are
# for TOML: the shell of do_compile removes the backslashes.
CARGO_BUILD_FLAGS:append = " --bin measureroot --config target.${RUST_HOST_SYS}.tss2-esys.version=\"4.1.3\""

# The agent is PID 1 of an initramfs that has no library and no dynamic linker.
CARGO_BUILD_FLAGS:append:class-target = " --no-default-features"
RUSTFLAGS:append:class-target = " -C target-feature=+crt-static"

# OpenEmbedded strips programs itself, and keeps the debugging symbols in a package.
export CARGO_PROFILE_RELEASE_STRIP = "none"

# OpenEmbedded's description of the target does not say that the C library can be linked statically: rustc would ignore
# crt-static silently.
python do_rust_gen_targets:append:class-target () {
    import json
    path = d.getVar('RUST_TARGETS_DIR') + d.getVar('RUST_HOST_SYS') + '.json'
    with open(path, encoding='utf-8') as file:
        spec = json.load(file)
    spec.update({'crt-static-respected': True, 'static-position-independent-executables': True})
    with open(path, 'w', encoding='utf-8') as file:
        json.dump(spec, file, indent=4)
}

do_install:class-target () {
    agent=${B}/target/${CARGO_TARGET_SUBDIR}/measureroot
    if ${READELF} --program-headers --wide $agent | grep -q INTERP || ${READELF} --dynamic --wide $agent | grep -q NEEDED; then
        bbfatal "$agent is not static, and an initramfs has no libraries: does the C library of this distribution come with libc.a (glibc and musl do)?"
    fi
    install -D -m 0755 $agent ${D}${nonarch_libdir}/measureroot/init
}

do_install:class-native () {
    install -D -m 0755 ${B}/target/${CARGO_TARGET_SUBDIR}/measureroot ${D}${bindir}/measureroot
}

FILES:${PN} += "${nonarch_libdir}/measureroot"

# Cargo.toml's rust-version. Checked here, because cargo would fail only after an hour of building.
MEASUREROOT_RUST = "1.88"
python () {
    found = (d.getVar('RUSTVERSION') or '').rstrip('%').split('.')[:2]
    wanted = d.getVar('MEASUREROOT_RUST').split('.')
    if all(part.isdigit() for part in found) and [int(part) for part in found] < [int(part) for part in wanted]:
        raise bb.parse.SkipRecipe('measureroot is built with Rust %s or newer, and RUSTVERSION is "%s": add a layer with a newer Rust '
                                  '(of meta-lts-mixins, the branch for this release and rust)' % ('.'.join(wanted), d.getVar('RUSTVERSION')))
}

BBCLASSEXTEND = "native"

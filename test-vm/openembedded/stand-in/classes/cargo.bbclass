# What the recipe for measureroot takes from OpenEmbedded-Core's class cargo, with its meaning: crates from a folder instead of
# a registry, the target's own compiler, no network.

RUST_HOST_SYS ?= "x86_64-unknown-linux-gnu"
RUST_TARGETS_DIR = "${WORKDIR}/rust-targets/"
export RUST_TARGET_PATH = "${RUST_TARGETS_DIR}"
export CARGO_HOME = "${WORKDIR}/cargo_home"
B = "${WORKDIR}/build"
CARGO ?= "cargo"
RUSTFLAGS ??= ""
RUSTFLAGS += "--remap-path-prefix=${WORKDIR}=/usr/src/debug/${PN}"
CARGO_BUILD_FLAGS = "-v --frozen --target ${RUST_HOST_SYS} --release --manifest-path=${S}/Cargo.toml"
CARGO_TARGET_SUBDIR = "${RUST_HOST_SYS}/release"

do_configure () {
    cat >${CARGO_HOME}/config.toml <<-END
	[source.bitbake]
	directory = "${CARGO_HOME}/bitbake"
	[source.crates-io]
	replace-with = "bitbake"
	local-registry = "/nonexistent"
	[target.${RUST_HOST_SYS}]
	linker = "gcc"
	[build]
	target-dir = "${B}/target"
	END
}

do_compile () {
    export CC="gcc -ffunction-sections -fdata-sections -fPIC" CFLAGS="-O2" CRATE_CC_NO_DEFAULTS=1
    export RUSTFLAGS="${RUSTFLAGS}"
    "${CARGO}" build ${CARGO_BUILD_FLAGS}
}

python do_rust_gen_targets () {
    import json
    os.makedirs(d.getVar('RUST_TARGETS_DIR'), exist_ok=True)
    with open(d.getVar('RUST_TARGETS_DIR') + d.getVar('RUST_HOST_SYS') + '.json', 'w', encoding='utf-8') as file:
        json.dump({
            'llvm-target': 'x86_64-unknown-linux-gnu', 'arch': 'x86_64', 'os': 'linux', 'env': 'gnu', 'target-family': 'unix',
            'data-layout': 'e-m:e-p270:32:32-p271:32:32-p272:64:64-i64:64-i128:128-f80:128-n8:16:32:64-S128',
            'target-pointer-width': 64, 'target-c-int-width': 32, 'max-atomic-width': 64, 'target-endian': 'little',
            'linker-flavor': 'gcc', 'dynamic-linking': True, 'executables': True, 'position-independent-executables': True,
        }, file)
}

//! Compiles tpm2-tss for the target, without its own build system, which needs autotools, OpenSSL and pkg-config.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

/// The release of tpm2-tss that this crate is for, as a line of `sha256sum`. `fetch` reads the same file.
const SOURCE: &str = include_str!("source.sha256");
/// The variable that names another tarball, or a folder with the unpacked sources.
const SOURCE_PATH: &str = "TPM2_TSS_SOURCE_PATH";

type Result<T> = std::result::Result<T, String>;

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=source.sha256");
    println!("cargo::rerun-if-env-changed={SOURCE_PATH}");
    let out = PathBuf::from(variable("OUT_DIR")?);
    let source = source(&out)?;
    compile(&source, &out)
}

/// The folder with the unpacked sources.
fn source(out: &Path) -> Result<PathBuf> {
    let (sha256, name) = SOURCE.trim().split_once("  ").ok_or("source.sha256 is not a line of sha256sum")?;
    let given = env::var_os(SOURCE_PATH).filter(|path| !path.is_empty()).map(PathBuf::from);
    let path = match &given {
        Some(path) => path.clone(),
        None => Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../../../target/sources").join(name),
    };
    println!("cargo::rerun-if-changed={}", path.display());
    if path.is_dir() {
        return Ok(path);
    }
    if !path.is_file() {
        return Err(match given {
            Some(path) => format!("{SOURCE_PATH} names {}: no such file or folder", path.display()),
            None => format!(
                "the sources of tpm2-tss are missing: run initramfs/tss2/static/fetch (looked for {})",
                path.display()
            ),
        });
    }
    // This library speaks to the TPM in PID 1, so it must be the release that was reviewed.
    let found = run(Command::new("sha256sum").arg("--binary").arg(&path))?;
    if !found.starts_with(sha256) {
        return Err(format!(
            "{} is not {name}: its sha256 is not {sha256}; delete it and run initramfs/tss2/static/fetch",
            path.display()
        ));
    }
    run(Command::new("tar")
        .args(["--extract", "--gzip", "--no-same-owner", "--file"])
        .arg(&path)
        .arg("--directory")
        .arg(out))?;
    Ok(out.join(name.trim_end_matches(".tar.gz")))
}

fn compile(source: &Path, out: &Path) -> Result<()> {
    let src = source.join("src");
    let mut library = cc::Build::new();
    library
        .std("gnu99")
        .opt_level_str("s")
        .debug(false)
        .pic(true)
        .warnings(false)
        // Smaller than -Os, if the compiler has it: GCC 12 and clang.
        .flag_if_supported("-Oz")
        .flag("-ffunction-sections")
        .flag("-fdata-sections")
        .flag("-fvisibility=hidden")
        .flag("-fno-asynchronous-unwind-tables")
        // No path of the checkout in the library, so that any checkout gives the same bytes.
        .flag(format!("-ffile-prefix-map={}=tpm2-tss", source.display()))
        .define("_GNU_SOURCE", None)
        .define("NDEBUG", None)
        .define("NO_DL", None)
        // tss2-crypto has the functions of this backend.
        .define("MBED", None)
        // No log of the library's own: it would go to stderr instead of our log, its texts would be a third of the library, and
        // the return codes are enough.
        .define("MAXLOGLEVEL", "0")
        .include(&src)
        .include(source.join("include/tss2"))
        .include(src.join("tss2-sys"))
        .include(src.join("tss2-esys"));
    if variable("CARGO_CFG_TARGET_ENV")? == "musl" {
        library.include(kernel_headers(out)?);
    }
    library.file(src.join("util/log.c"));
    for folder in ["tss2-mu", "tss2-sys", "tss2-sys/api", "tss2-esys", "tss2-esys/api"] {
        library.files(c_files(&src.join(folder))?);
    }
    // The crates that call the library do not depend on this one, so rustc may name this one first to the linker. A linker takes
    // from an archive only the symbols that are missing at that point. The agent's link drops what is not used.
    library.link_lib_modifier("+whole-archive");
    library.try_compile("tss2").map_err(|error| format!("compile tpm2-tss: {error} (is a C compiler for the target installed? musl needs musl-gcc: Debian's musl-tools)"))
}

/// The C files of a folder, without the backends over other crypto libraries. They are sorted, because the order in which a
/// folder is read differs between machines.
fn c_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let cause = |error| format!("list {}: {error} (is it the source of tpm2-tss?)", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(cause)? {
        let path = entry.map_err(cause)?.path();
        let backend = path.file_stem().is_some_and(|stem| stem == "esys_crypto_ossl" || stem == "esys_crypto_mbed");
        if path.extension().is_some_and(|extension| extension == "c") && !backend {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// musl-gcc hides the kernel's headers together with glibc's. The sources include one of them, `<linux/limits.h>`, for
/// `PATH_MAX`, which musl has in `<limits.h>`. With all of /usr/include, headers of two C libraries would be mixed.
fn kernel_headers(out: &Path) -> Result<PathBuf> {
    let folder = out.join("kernel-headers");
    let write = || {
        fs::create_dir_all(folder.join("linux"))?;
        fs::write(folder.join("linux/limits.h"), "#include <limits.h>\n")
    };
    write().map_err(|error| format!("write {}: {error}", folder.display()))?;
    Ok(folder)
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|error| format!("start {command:?}: {error} (is it installed?)"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn variable(name: &str) -> Result<String> {
    env::var(name).map_err(|error| format!("{name}: {error} (cargo sets it for build scripts)"))
}

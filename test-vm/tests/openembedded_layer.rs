//! The recipes of the OpenEmbedded layer: they build the agent like `initramfs/build`, and agree with the project.

mod openembedded_build;

use openembedded_build::{Build, KERNEL, RECIPE, Refusal, layer, python};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::{Result, assets, ensure, tool};

/// A program of this machine in the agent's place. It needs a dynamic linker.
#[test]
fn an_agent_that_is_not_static_is_refused() -> Result<()> {
    let build = Build::new()?;
    let agent = build.bakes(RECIPE, &[], &["B=", "CARGO_TARGET_SUBDIR="])?.replace('\n', "/target/");
    fs::create_dir_all(&agent)?;
    fs::copy("/bin/true", Path::new(&agent).join("measureroot"))?;
    let (words, message) = (&["do_install"], "is not static, and an initramfs has no libraries");
    build.refuses(&Refusal { recipe: RECIPE, settings: &[], words, message })
}

/// OpenEmbedded describes each target in a separate file. rustc ignores crt-static unless that file allows it.
#[test]
fn rustc_obeys_crt_static_with_the_recipe_s_description_of_the_target() -> Result<()> {
    let build = Build::new()?;
    let obeys = |words: &[&str]| -> Result<bool> {
        let folder =
            build.bakes(RECIPE, &["RUST_HOST_SYS=x86_64-oe-linux-gnu"], &[words, &["RUST_TARGETS_DIR="]].concat())?;
        let mut rustc = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned()));
        rustc.args([
            "-Zunstable-options",
            "--print=cfg",
            "--target=x86_64-oe-linux-gnu",
            "-Ctarget-feature=+crt-static",
        ]);
        rustc.env("RUSTC_BOOTSTRAP", "1").env("RUST_TARGET_PATH", folder);
        Ok(tool::finish(&mut rustc)?.contains("target_feature=\"crt-static\""))
    };
    ensure!(obeys(&["do_rust_gen_targets"])?, "the recipe's description does not allow it");
    // OpenEmbedded's own description does not allow it, and rustc does not warn. That is why the recipe changes it.
    let path = build.bakes(RECIPE, &[], &["RUST_TARGETS_DIR="])? + "x86_64-oe-linux-gnu.json";
    let mut target: BTreeMap<String, serde_json::Value> = serde_json::from_str(&fs::read_to_string(&path)?)?;
    ensure!(target.remove("crt-static-respected").is_some(), "not the recipe's description");
    fs::write(&path, serde_json::to_string(&target)?)?;
    ensure!(!obeys(&[])?, "OpenEmbedded's own description allows it: the recipe need not change it any more");
    Ok(())
}

#[test]
fn the_agent_is_built_like_that_of_initramfs_build_and_the_native_program_is_not() -> Result<()> {
    let build = Build::new()?;
    let agent = build.bakes(RECIPE, &[], &["CARGO_BUILD_FLAGS=", "RUSTFLAGS="])?;
    let own = assets::text("initramfs/build")?;
    for flag in ["--bin measureroot", "--no-default-features"] {
        ensure!(own.contains(flag) && agent.contains(flag), "initramfs/build or the recipe is without {flag}: {agent}");
    }
    ensure!(agent.contains("+crt-static"), "{agent}");
    let native = build.bakes(RECIPE, &["OVERRIDES=class-native"], &["CARGO_BUILD_FLAGS=", "RUSTFLAGS="])?;
    ensure!(!native.contains("--no-default-features") && !native.contains("crt-static"), "{native}");
    Ok(())
}

#[test]
fn the_recipe_agrees_with_the_project() -> Result<()> {
    let build = Build::new()?;
    let recipe = assets::text(&format!("initramfs/installed/openembedded/{RECIPE}"))?;
    let source = assets::text("initramfs/tss2/static/source.sha256")?;
    let (sum, tarball) = source.trim().split_once("  ").ok_or("source.sha256")?;
    ensure!(
        recipe.contains(&format!("\"{sum}\"")) && recipe.contains(&format!("downloadfilename={tarball}")),
        "not {source}"
    );
    let cargo = assets::text("Cargo.toml")?;
    for (variable, field) in [("MEASUREROOT_RUST=", "rust-version"), ("PV=", "version")] {
        let value = build.bakes(RECIPE, &[], &[variable])?.replace("+git", "");
        ensure!(cargo.contains(&format!("\n{field} = \"{value}\"\n")), "{variable}{value} is not Cargo.toml's {field}");
    }
    for file in ["LICENSE-MIT", "LICENSE-APACHE"] {
        let licence = tool::output(Duration::from_secs(10), "md5sum", [assets::checkout().join(file)])?;
        let sum = licence.split(' ').next().ok_or("md5sum")?;
        ensure!(recipe.contains(&format!("file://{file};md5={sum}")), "another {file}");
    }
    // AUTOREV would ask the repository at each parse, and no build could be repeated.
    let head = tool::output(Duration::from_secs(10), "git", ["-C", env!("CARGO_MANIFEST_DIR"), "rev-parse", "HEAD"])?;
    assert_eq!(build.bakes(RECIPE, &[], &["SRCREV="])?.trim(), head.trim());
    let rule = assets::text(".cargo/config.toml")?;
    ensure!(
        rule.contains("tss2-esys]\nversion = \"4.1.3\"") && recipe.contains("tss2-esys.version=\\\"4.1.3\\\""),
        "tss2-esys"
    );
    Ok(())
}

#[test]
fn the_list_of_crates_is_that_of_cargo_lock() -> Result<()> {
    let scratch = Scratch::new()?;
    tool::output(Duration::from_secs(30), layer().join("update-crates"), [scratch.path("made")])?;
    let kept = assets::text("initramfs/installed/openembedded/recipes-core/measureroot/measureroot-crates.inc")?;
    ensure!(fs::read_to_string(scratch.path("made"))? == kept, "run initramfs/installed/openembedded/update-crates");
    let sums = assets::text("Cargo.lock")?.matches("\nchecksum = ").count();
    assert_eq!((kept.matches("crate://").count(), kept.matches(".sha256sum]").count()), (sums, sums));
    Ok(())
}

#[test]
fn the_kernel_gets_its_features_if_the_distribution_asks_for_them() -> Result<()> {
    let build = Build::new()?;
    let words = ["SRC_URI=", "KERNEL_FEATURES=", "FILESEXTRAPATHS="];
    let asked = build.bakes(KERNEL, &["DISTRO_FEATURES=systemd measureroot"], &words)?;
    let lines: Vec<_> = asked.lines().collect();
    ensure!(lines[0].contains("file://kernel-fragments;type=kmeta;"), "{asked}");
    let folder = PathBuf::from(lines[2].trim_end_matches(':')).join("kernel-fragments");
    for feature in lines[1].split_whitespace() {
        ensure!(folder.join(feature).is_file(), "no {feature} in {}", folder.display());
    }
    ensure!(lines[1].split_whitespace().count() > 3, "{asked}");
    assert_eq!(build.bakes(KERNEL, &["DISTRO_FEATURES=systemd"], &words)?, "");
    Ok(())
}

/// oelint checks the layer like bitbake, for the first and the last release that the layer names.
#[test]
fn oelint_finds_nothing() -> Result<()> {
    let layers = assets::text("initramfs/installed/openembedded/conf/layer.conf")?;
    let releases = layers
        .lines()
        .find_map(|line| line.strip_prefix("LAYERSERIES_COMPAT_measureroot = \""))
        .ok_or("no releases")?;
    let (first, last) = releases.trim_end_matches('"').split_once(' ').ok_or("one release")?;
    let last = last.rsplit(' ').next().ok_or("one release")?;
    for release in [first, last] {
        let mut oelint = python(Duration::from_secs(120))?;
        oelint.current_dir(layer()).args([
            "-m",
            "oelint_adv",
            "--quiet",
            "--jobs",
            "1",
            "--hide",
            "info",
            "--release",
            release,
        ]);
        let files = "recipes-core/measureroot/measureroot_git.bb recipes-core/images/measureroot-initramfs.bb \
                     recipes-core/images/measureroot-example-image.bb recipes-kernel/linux/linux-yocto_%.bbappend conf/layer.conf";
        let output = oelint.args(files.split_whitespace()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success() && said.trim().is_empty(), "{release}: {said}");
    }
    Ok(())
}

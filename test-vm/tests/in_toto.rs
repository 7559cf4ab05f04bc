//! A signed list of trusted images (`measureroot predict --format in-toto --sign`), checked by the Python libraries securesystemslib and
//! in-toto-attestation. There is no boot here.

use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;
use test_vm::scratch::Scratch;
use test_vm::{Result, assets, ensure, tool};

const LIMIT: Duration = Duration::from_secs(60);
const LIST: &str = r#"{"images": [{"name": "release 6", "digests": {"sha256": "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"},
    "until": "2099-12-31"}]}"#;

/// The exit code of the libraries' check, and what it printed.
fn checked(envelope: &Path, key: &Path) -> Result<(Option<i32>, String)> {
    let check = assets::checkout().join("test-vm/in-toto/check");
    let mut python = tool::limited(LIMIT, assets::product("test-vm/in-toto/venv/bin")?.join("python"));
    let done = python.arg(check).arg(envelope).arg(key).output()?;
    let printed = String::from_utf8_lossy(&done.stdout).into_owned();
    ensure!(done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok((done.status.code(), printed))
}

#[test]
fn the_libraries_of_in_toto_accept_a_signed_list_and_no_changed_one() -> Result<()> {
    let scratch = Scratch::new()?;
    let path = |name: &str| scratch.path(name);
    for (name, curve) in [("P-256", "EC"), ("P-384", "EC"), ("Ed25519", "ED25519")] {
        let (key, public, signed, list) = (path("key"), path("pub"), path("signed"), path("list"));
        let mut genpkey = tool::limited(LIMIT, "openssl");
        genpkey.args(["genpkey", "-algorithm", curve, "-out"]).arg(&key);
        if curve == "EC" {
            genpkey.args(["-pkeyopt", &format!("ec_paramgen_curve:{name}")]);
        }
        tool::finish(&mut genpkey)?;
        tool::finish(
            tool::limited(LIMIT, "openssl").args(["pkey", "-pubout", "-in"]).arg(&key).arg("-out").arg(&public),
        )?;
        fs::write(&list, LIST)?;
        let mut predict = tool::measureroot(LIMIT)?;
        predict.args(["predict", "--roothash", &"a5".repeat(32), "--name", "release 7", "--format", "in-toto"]);
        let envelope = tool::finish(predict.arg("--sign").arg(&key).arg("--allow-entry").arg(&list))?;
        fs::write(&signed, &envelope)?;
        let (code, printed) = checked(&signed, &public)?;
        ensure!(code == Some(0), "{name}: {printed}");
        let statement: Value = serde_json::from_str(&printed)?;
        let conditions = &statement["predicate"]["attributes"][0]["conditions"];
        // The list that measureroot wrote beside it.
        let written: Value = serde_json::from_str(&fs::read_to_string(&list)?)?;
        ensure!(conditions == &written && written["images"][1]["name"] == "release 7", "{conditions}, {written}");
        // One bit of the payload.
        fs::write(&signed, envelope.replacen("\"payload\":\"eyJ", "\"payload\":\"eyK", 1))?;
        let (code, printed) = checked(&signed, &public)?;
        ensure!(code == Some(1) && printed.contains("Found: 0, Expected 1"), "{name}: {printed}");
    }
    Ok(())
}

//! Keylime's tenant gives a secret only to a machine that booted the predicted image: its registrar, verifier and tenant run on this
//! machine, and its agent in the booted root. The commands are those of docs/keylime.md.

use test_vm::stopped_vm::FAILED;
use test_vm::{DocPage, Guest, Image, Keylime, Result, assets, ensure, image, keylime};

/// The page's command for each kind of policy, and what the verifier says of an image that is not the one of the policy.
const POLICIES: [(&str, &str); 2] =
    [("# PCR 13 alone", "pcr_validation.invalid_pcr_13"), ("--mb-policy", "measured_boot.policy_measureroot")];
/// The command for what starts the agent, too, and what the verifier says of another start.
const CHAIN: (&str, &str) = ("--uki linux.efi", "pcr_validation.invalid_pcr_4");

/// With both kinds of policy, the machine gets nothing.
fn gets_nothing(keylime: &Keylime, guest: &mut Guest, agent: &str) -> Result<()> {
    for (policy, event) in POLICIES {
        keylime.adds(policy, agent)?;
        keylime.refuses(guest, agent, event)?;
        keylime.runs("-c delete", agent)?;
    }
    Ok(())
}

#[test]
fn the_policy_for_measured_boot_refuses_every_other_log_and_a_broken_policy() -> Result<()> {
    keylime::python("check_policy").map(drop)
}

#[test]
fn the_page_shows_what_the_tests_run() -> Result<()> {
    DocPage::open("docs/keylime.md")?.has_only(&[
        POLICIES[0].0,
        POLICIES[1].0,
        CHAIN.0,
        "-c status",
        "-c delete",
        "-c regdelete",
    ])?;
    let (page, settings) = (assets::text("docs/keylime.md")?, assets::text("test-vm/keylime/keylime.conf")?);
    let shown = page.split("```ini\n").nth(1).and_then(|rest| rest.split("```").next()).ok_or("no settings")?;
    for line in shown.lines() {
        ensure!(settings.lines().any(|setting| setting == line), "the tests do not set {line}");
    }
    Ok(())
}

#[test]
fn a_machine_gets_the_payload_with_the_predicted_image_and_is_revoked_with_another() -> Result<()> {
    let (image, keylime) = (Image::keylime_agent()?, Keylime::start()?);
    keylime.predicts(&image)?;
    let tpm = keylime.tpm()?;
    let mut guest = keylime.machine_of_uefi(&image, tpm.folder())?.boots()?;
    let agent = keylime.registers(&mut guest)?;
    for (policy, _) in [CHAIN, POLICIES[0], POLICIES[1]] {
        keylime.adds(policy, &agent)?;
        keylime.gives(&mut guest, &agent)?;
        keylime.runs("-c delete", &agent)?;
    }
    keylime.adds(POLICIES[0].0, &agent)?;
    let machine = guest.power_off()?;

    // It boots again, started in another way and with one other bit.
    let changed = image.flipped(image::SQUASHFS_TIME)?;
    let mut guest = keylime.machine(&changed, machine.tpm()?.state()).boots()?;
    keylime.gives_up(&agent)?;
    keylime.runs("-c delete", &agent)?;
    // Its agent has lost its key with the overlay. The registrar takes no other key for the same machine.
    keylime::says(&mut guest, "Response code 403: Agent re-registration with different TPM identity is forbidden")?;
    // Nor does it help if somebody lets it register again.
    keylime.runs("-c regdelete", &agent)?;
    guest.run(&["systemctl", "restart", "keylime_agent"])?;
    ensure!(keylime.registers(&mut guest)? == agent, "the TPM is the same");
    keylime.adds(CHAIN.0, &agent)?;
    keylime.refuses(&mut guest, &agent, CHAIN.1)?;
    keylime.runs("-c delete", &agent)?;
    gets_nothing(&keylime, &mut guest, &agent)
}

#[test]
fn an_unmeasured_boot_and_a_failed_boot_get_nothing() -> Result<()> {
    let (image, keylime) = (Image::keylime_agent()?, Keylime::start()?);
    keylime.predicts(&image)?;
    let tpm = keylime.tpm()?;
    let vm = keylime.machine(&image, tpm.folder());
    let mut guest = vm.clone().with("measureroot=off").boots()?;
    let agent = keylime.registers(&mut guest)?;
    gets_nothing(&keylime, &mut guest, &agent)?;
    guest.power_off()?;

    // No program of the image runs, so no agent registers. The TPM holds a mark that no policy has.
    keylime.runs("-c regdelete", &agent)?;
    let failed = vm.without_disks().fails()?;
    failed.vm.holds(13, None, FAILED)?;
    let refused = keylime.adds(POLICIES[0].0, &agent).err().ok_or("the tenant added a machine without an agent")?;
    ensure!(refused.to_string().contains("not found"), "{refused}");
    Ok(())
}

//! measureroot(8), made from the help texts of the program's arguments.

use std::io::{self, Write};

use clap::Command;
use clap_mangen::Man;

use super::markup::{inline, titled};
use crate::cli::exit_codes;

const FILES: [(&str, &str); 4] = [
    ("/run/measureroot/status.json", "What the last boot measured, and how it sealed the image."),
    ("/run/measureroot/eventlog.bin", "The events of that boot, as a TCG crypto-agile log."),
    ("/run/measureroot/binary_bios_measurements", "The firmware's log, followed by those events."),
    ("/run/log/systemd/tpm2-measure.log", "The log of systemd's measurements; it begins with those events."),
];

/// What a person types, and what it is for. `tests/cli.rs` checks their options.
const EXAMPLES: [(&str, &[&str]); 8] = [
    (
        "The PCR of an image, compared with the TPM of a machine that booted it:",
        &["measureroot predict --bank sha256 rootfs.squashfs >expected", "tpm2_pcrread sha256:13 | diff expected -"],
    ),
    (
        "The initramfs for the running kernel:",
        &[
            "measureroot initramfs --output measureroot.img --kernel-modules /lib/modules/$(uname -r) \\",
            "    --module virtio_pci --module virtio_blk --module squashfs --module loop --module overlay --module dm-verity",
        ],
    ),
    (
        "What a boot with this command line would do:",
        &["measureroot explain 'root=LABEL=MEDIUM rootimg=/rootfs.squashfs'"],
    ),
    ("The options that the running kernel lacks:", &["measureroot kernel-config running"]),
    (
        "What stands in the way of a measured boot of this image on this machine:",
        &["measureroot doctor --image rootfs.squashfs"],
    ),
    (
        "What was measured into this machine's TPM since it was switched on:",
        &["measureroot replay --tpm /run/measureroot/binary_bios_measurements"],
    ),
    (
        "Which image another machine booted: the evidence of that machine, and the verdict of a verifier, who chose the nonce:",
        &[
            "measureroot attest --nonce \"$NONCE\" --output evidence",
            "measureroot verify evidence --nonce \"$NONCE\" --allow trusted.json",
        ],
    ),
    (
        "The same, from a quote by another program:",
        &[
            "measureroot verify --quote quote.msg --signature quote.sig --key ak.pub --nonce \"$NONCE\" \\",
            "    --log binary_bios_measurements --image rootfs.squashfs",
        ],
    ),
];

/// The whole page: the program, its commands, exit codes, files, examples.
///
/// # Errors
/// Only if writing to memory fails.
pub(super) fn page(program: Command) -> io::Result<Vec<u8>> {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let whole = Man::new(program.clone());
    let mut page = Vec::new();
    titled("MEASUREROOT", "8").to_writer(&mut page)?;
    whole.render_name_section(&mut page)?;
    whole.render_synopsis_section(&mut page)?;
    whole.render_description_section(&mut page)?;
    for command in program.get_subcommands() {
        page.write_all(&section(command)?)?;
    }
    let mut end = roff::Roff::new();
    end.control("SH", ["EXIT STATUS"]);
    let mut commands = "";
    for row in &exit_codes::ALL {
        if row.commands != commands {
            commands = row.commands;
            end.control("SS", [commands]);
        }
        end.control("TP", []).text([roff::bold(row.code)]).text(inline(row.meaning));
    }
    end.control("SH", ["FILES"]);
    for (name, meaning) in &FILES {
        end.control("TP", []).text([roff::bold(*name)]).text(inline(meaning));
    }
    end.control("SH", ["EXAMPLES"]);
    for (purpose, lines) in EXAMPLES {
        end.control("PP", []).text([roff::roman(purpose)]);
        end.control("PP", []).control("RS", ["4"]).control("nf", []);
        for line in lines {
            end.text([roff::roman(*line)]);
        }
        end.control("fi", []).control("RE", []);
    }
    end.control("SH", ["SEE ALSO"]);
    end.text(inline(
        "`measureroot.cmdline`(7), `tpm2_pcrread`(1), `tpm2_quote`(1), `tpm2_makecredential`(1), `veritysetup`(8)",
    ));
    end.to_writer(&mut page)?;
    Ok(page)
}

/// A command's synopsis, description and options, one heading level below the command's name.
fn section(command: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone());
    let mut parts = Vec::new();
    man.render_synopsis_section(&mut parts)?;
    man.render_description_section(&mut parts)?;
    man.render_options_section(&mut parts)?;
    let parts = String::from_utf8_lossy(&parts).replace("\n.SH ", "\n.SS ");
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let mut section = roff::Roff::new();
    section.control("SH", [name.to_uppercase().as_str()]);
    Ok([section.render().into_bytes(), parts.replacen(".SH ", ".SS ", 1).into_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Arguments;
    use clap::CommandFactory;

    #[test]
    fn the_table_of_exit_codes_has_each_command() {
        let listed: Vec<_> = exit_codes::ALL.iter().flat_map(|row| row.commands.split(", ")).collect();
        let program = Arguments::command();
        for command in program.get_subcommands().map(Command::get_name) {
            assert!(listed.contains(&command), "{command}");
        }
        let names: Vec<_> = program.get_subcommands().map(Command::get_name).collect();
        assert!(listed.iter().all(|command| names.contains(command)), "{listed:?}");
        let text = String::from_utf8(page(program).unwrap()).unwrap();
        assert!(text.contains(".SH \"EXIT STATUS\"\n.SS \"predict, initramfs,"), "{text}");
    }
}

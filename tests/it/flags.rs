//! Which flags are there? All that stand below, and no others.

use std::collections::BTreeSet;

use crate::cli::{COMMANDS, help};

/// What can be set stands in a config; the command line does not grow with it. Before you add a flag, see whether
/// `--set path=value` does it.
#[test]
fn the_set_of_flags_is_frozen() {
    let flags: BTreeSet<String> = COMMANDS
        .iter()
        .flat_map(|command| {
            let text = help(command);
            let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
            let flags = words.filter(|word| word.starts_with("--") && word.len() > 2).map(str::to_owned);
            flags.map(|flag| format!("{command} {flag}").trim_start().to_owned()).collect::<Vec<_>>()
        })
        .filter(|flag| {
            !["--help", "--version", "--json", "--threads"].iter().any(|everywhere| flag.ends_with(everywhere))
        })
        .collect();
    let frozen = [
        "bench --device",
        "bench --seconds",
        "bench --workload",
        "bench batch --device",
        "bench batch --set",
        "bench bundle --seconds",
        "bench data --seconds",
        "bench train --device",
        "bench train --seconds",
        "bench train --set",
        "config show --device",
        "config show --set",
        "data check --out",
        "data check --set",
        "data clean --decisions",
        "data clean --out",
        "data clean --set",
        "data clean --unreviewed",
        "evaluate --device",
        "evaluate --part",
        "export --calibrate",
        "export --out",
        "export --sign",
        "export --threshold",
        "export --to",
        "export --with-preprocessing",
        "generate --device",
        "generate --samples",
        "generate --seed",
        "generate --temperature",
        "generate --tokens",
        "generate --top-k",
        "generate --top-p",
        "inspect --batch-size",
        "inspect --classes",
        "inspect --input",
        "inspect --set",
        "package --binary",
        "package --canary",
        "package --crates",
        "package --docker",
        "package --gpu",
        "package --graph",
        "package --helm",
        "package --image",
        "package --kserve",
        "package --kubernetes",
        "package --name",
        "package --oci",
        "package --out",
        "package --runtime",
        "package --rust",
        "package --seconds",
        "package --storage",
        "package --systemd",
        "package --web",
        "predict --batch-size",
        "predict --device",
        "resume --device",
        "resume --set",
        "resume --tui",
        "select --device",
        "select --minutes",
        "select --out",
        "select --set",
        "select --steps",
        "serve --address",
        "serve --device",
        "serve --log",
        "serve --port",
        "sweep --address",
        "sweep --device",
        "sweep --engine",
        "sweep --run",
        "sweep --set",
        "sweep --storage",
        "sweep --trials",
        "sweep --workers",
        "sweep best --out",
        "sweep enqueue --set",
        "sweep export --address",
        "sweep export --experiment",
        "sweep export --out",
        "sweep export --replace",
        "sweep export --to",
        "sweep export --workers",
        "sweep import --name",
        "sweep report --out",
        "sweep resume --address",
        "sweep resume --device",
        "sweep resume --engine",
        "sweep resume --run",
        "sweep resume --space",
        "sweep resume --trials",
        "sweep resume --workers",
        "sweep worker --device",
        "sweep worker --run",
        "train --device",
        "train --from",
        "train --run",
        "train --set",
        "train --tui",
        "verify bundle --key",
        "verify export --device",
        "verify resume --device",
        "verify resume --set",
        "verify resume --steps",
    ];
    assert_eq!(flags.iter().map(String::as_str).collect::<Vec<_>>(), frozen);
}

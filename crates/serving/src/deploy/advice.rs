//! Where should a server of this bundle run, and what does each place ask for? In words and with the figures of the
//! bundle.

use data_loader::Entry;

use super::plan::folder::Folder;
use super::plan::resources::size;
use super::plan::{Deployment, GRACE, Replicas};
use crate::Error;

/// This member.
pub const ENTRY: Entry = Entry {
    name: "advice",
    summary: "what running it on-premises, in a cloud, hybrid or at the edge asks for, with its figures",
};

const FILE: &str = "advice.md";
/// A server is planned for so much of what it answered at most: the rest is for the peaks within a minute.
const PLANNED: f64 = 0.7;
/// What the system of a small machine keeps for itself.
const SYSTEM_BYTES: u64 = 256 << 20;

pub(super) fn write(deployment: &Deployment, folder: &mut Folder) -> Result<Vec<String>, Error> {
    folder.text(FILE, &text(deployment))?;
    Ok(Vec::new())
}

/// The advice, as Markdown.
pub fn text(deployment: &Deployment) -> String {
    let resources = deployment.resources();
    let (name, version) = (&deployment.name, &deployment.version);
    let cores = resources.threads;
    let memory = size(resources.memory_bytes);
    let gib = resources.memory_bytes.div_ceil(1 << 30);
    let machine = match deployment.gpu {
        true => {
            "It computes on a graphics card: every machine needs one with its driver, and one server has it to itself."
        }
        false => "It needs no graphics card.",
    };
    format!(
        "\
# Where to run {name}

The bundle of version {version} has {bundle}. A server asks for {memory} of memory and {cpu} of processor.
Resources are {origin}.
{machine} {speed}

Whatever the place: the server asks nobody for anything while it answers. Inputs and answers stay in its memory, unless
it is told to log them. Nothing needs an account, and the only way out that its manifests leave open is the cluster's
own DNS.

## On-premises

- Take it if inputs must not leave the house, if the load is steady, or if machines are there already.
- On one machine: `systemd`, {cores} cores and {memory} for the server. If the machine is down, so is the model.
- On a cluster: `kubernetes` or `helm`, on at least two machines, or one that goes down takes every server with it.
- Yours to do: TLS and passwords in front of it, the registry for the image, the spare machine.
- Data leaves the house: no.

## Cloud

- Take it if the load comes and goes, or if its users are elsewhere anyway.
- Machines with {cores} cores and {gib} GiB for each server, or larger ones that carry several. {scale}
- Two zones at least: the manifests spread the pods where machines are labelled with their zone.
- Yours to do: the certificate, who may call, a limit on what it may cost.{bill}
- Data leaves the house: yes, every input. Ask first whether it may; the region decides under which law.

## Hybrid

- Take it if training data must stay and the model may go, or if the house carries the usual load and a cloud its peaks.
- The same image in both: {version} is the hash of the bundle, so equal versions are equal models. `oci` builds it
  without an engine, and `skopeo copy` brings it into both registries.
- Send to the cloud only what may leave, by a rule in front of the servers, not in them. Plan {min} in the house for
  what may not.
- Yours to do: one place that says which version is live, or the two drift apart.
- Data leaves the house: what the rule lets through, and the bundle: it holds labels, vocabulary and golden samples,
  which are rows of its data.

## Edge

- Take it if the line is slow or not always there, or if an answer is needed within milliseconds.
- {edge}
- `systemd` on a machine of its own, `oci` with podman where several programs share one. Weights do not change in place:
  for a new version the service is started again, which takes up to {GRACE} seconds to end and as long as the bundle
  takes to read.
- Yours to do: a way to bring {bundle} to every machine, and to hear from them; drift shows only where logs are
  gathered.
- Data leaves the house: no, but whoever takes the machine takes the bundle, with the golden samples in it.
",
        bundle = size(deployment.bundle_bytes()),
        cpu = resources.cpu(),
        origin = resources.origin,
        speed = speed(deployment),
        min = deployment.replicas.min,
        scale = scale(deployment),
        bill = bill(deployment),
        edge = edge(deployment),
    )
}

/// What so many servers answer.
fn speed(deployment: &Deployment) -> String {
    let Some(measured) = &deployment.measured else {
        return "How fast it answers was not measured: measure it on the machine that it is meant for before you choose \
                a number of servers."
            .to_owned();
    };
    let planned = measured.requests_per_second * PLANNED;
    let of = |servers: u32| rounded(planned * f64::from(servers));
    let Replicas { min, max } = deployment.replicas;
    let more = if max > min { format!(", and {max} carry {}", of(max)) } else { String::new() };
    format!(
        "One server answered {} requests a second, 99 of 100 within {} ms. At {:.0} % of that {} servers carry {} \
         requests a second{more}.",
        rounded(measured.requests_per_second),
        rounded(measured.p99_ms),
        PLANNED * 100.0,
        min,
        of(min),
    )
}

/// How many servers there are, and what decides it.
fn scale(deployment: &Deployment) -> String {
    let Replicas { min, max } = deployment.replicas;
    match max > min {
        true => format!(
            "`kubernetes` and `helm` scale from {min} to {max} by the processor,\n  `kserve` by requests, where it is \
             given a canary."
        ),
        false => format!("There are {min} at any load, as long as no larger number is allowed."),
    }
}

/// What scaling costs, where there is any.
fn bill(deployment: &Deployment) -> String {
    let Replicas { min, max } = deployment.replicas;
    match max > min {
        true => format!(" With {max} servers it is {:.1} times that of {min}.", f64::from(max) / f64::from(min)),
        false => String::new(),
    }
}

/// How small a machine may be.
fn edge(deployment: &Deployment) -> String {
    let resources = deployment.resources();
    let least = resources.memory_bytes.saturating_add(SYSTEM_BYTES);
    let boards = [512_u64, 1024, 2048, 4096, 8192, 16_384];
    let fits = boards.iter().find(|board| **board << 20 >= least);
    let memory = match fits {
        Some(board) => format!("A machine with {board} MiB of memory is enough"),
        None => format!("It needs a machine with at least {} of memory, more than small boards have", size(least)),
    };
    let device = match deployment.gpu {
        true => "it must have a graphics card, too: try first whether the processor is fast enough",
        false => {
            "x86-64 or AArch64 with Linux; its processor is slower than the one that was measured, so measure there"
        }
    };
    format!("{memory}; {device}.")
}

/// A figure as a reader wants it.
fn rounded(number: f64) -> String {
    match number {
        n if n >= 100.0 => format!("{n:.0}"),
        n if n >= 10.0 => format!("{n:.1}"),
        n => format!("{n:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::plan::tests::{bundle, full};

    #[test]
    fn advice_speaks_of_the_figures_of_this_bundle() {
        let folder = bundle("penguins");
        let deployment = full(folder.path());
        let text = text(&deployment);
        for words in [
            "# Where to run penguins",
            "asks for 528 MiB of memory and 1100m of processor",
            "answered 420 requests a second, 99 of 100 within 12.5 ms",
            "At 70 % of that 2 servers carry 588 requests a second, and 6 carry 1764.",
            "A machine with 1024 MiB of memory is enough",
            "With 6 servers it is 3.0 times that of 2.",
            "It needs no graphics card.",
        ] {
            assert!(text.contains(words), "`{words}` is not in\n{text}");
        }
        for place in ["On-premises", "Cloud", "Hybrid", "Edge"] {
            let section = text.split(&format!("\n## {place}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
            assert!(section.contains("- Take it if") && section.contains("- Data leaves the house: "), "{section}");
        }
    }

    #[test]
    fn what_was_not_measured_is_not_told() {
        let folder = bundle("penguins");
        let text = text(&Deployment { measured: None, gpu: true, ..full(folder.path()) });
        assert!(text.contains("How fast it answers was not measured") && text.contains("computes on a graphics card"));
        assert!(!text.contains("requests a second,"));
    }
}

//! `firebox package`: what it takes to run a server of a bundle elsewhere.

use std::path::{Path, PathBuf};

use model_zoo::bundle::Bundle;
use serde_json::json;
use serving::deploy::{self, Crates, Deployment, Measured};
use trainer::address::Address;

use super::export::bytes;
use super::{Ended, bench_bundle, check_span, finished_run};
use crate::args::PackageArgs;
use crate::failure::{Failure, Status};
use crate::{report, served};

pub(super) fn run(args: &PackageArgs, as_json: bool) -> Ended {
    check_belongings(args)?;
    let (bundle, beside) = bundle_of(&args.model)?;
    let mut deployment = Deployment::of(&bundle, args.name.as_deref())?;
    if let Some(image) = &args.image {
        deployment.image.clone_from(image);
    }
    let server = args.binary.as_deref().map(named).transpose()?.or_else(served::beside_this_program);
    deployment.binary.clone_from(&server);
    deployment.canary_percent = args.canary;
    deployment.storage_uri.clone_from(&args.storage);
    deployment.gpu = args.gpu;
    deployment.graph.clone_from(&args.graph);
    deployment.runtime.clone_from(&args.runtime);
    deployment.crates = args.crates.as_deref().map(crates);
    deployment.check()?;
    if args.seconds != 0.0 {
        check_span(args.seconds)?;
    }
    // Nothing else asks for memory and cores.
    if args.seconds != 0.0 && asks_for_memory(args) {
        deployment.measured = measured(server.as_deref(), &bundle, args, as_json)?;
    }
    let asked = [
        ("docker", args.docker),
        ("helm", args.helm),
        ("kserve", args.kserve),
        ("kubernetes", args.kubernetes),
        ("oci", args.oci),
        ("rust", args.rust),
        ("systemd", args.systemd),
        ("web", args.web),
    ];
    let out = args.out.clone().unwrap_or(beside);
    let ways: Vec<(&str, PathBuf)> =
        asked.iter().filter(|(_, asked)| *asked).map(|(way, _)| (*way, out.join(way))).collect();
    let written = deploy::write_all(&ways, &deployment)?;
    let packages: Vec<_> = ways.iter().map(|(way, _)| *way).zip(written).collect();
    // It is asked for by nobody and needed by everybody.
    let advice = deploy::advice::text(&deployment);
    if as_json {
        let written = packages.iter().map(|(way, package)| {
            let files: Vec<_> =
                package.files.iter().map(|(name, size)| json!({ "name": name, "bytes": size })).collect();
            json!({ "way": way, "folder": package.folder.display().to_string(), "files": files, "next": package.next })
        });
        let written: Vec<_> = written.collect();
        report::json(&json!({ "version": deployment.version(), "packages": written, "advice": advice }));
        return Ok(Status::Done);
    }
    for (way, package) in &packages {
        let size: u64 = package.files.iter().map(|(_, size)| size).sum();
        report::line(format!(
            "{way:10}  {:3} files, {:>9}  {}",
            package.files.len(),
            bytes(size),
            package.folder.display()
        ));
    }
    for (_, package) in &packages {
        for command in &package.next {
            report::line(format!("  {command}"));
        }
    }
    if !packages.is_empty() {
        report::line("");
    }
    report::line(advice);
    Ok(Status::Done)
}

/// Whether a way is gone in which memory and cores are asked for.
fn asks_for_memory(args: &PackageArgs) -> bool {
    args.helm || args.kserve || args.kubernetes || args.systemd
}

/// The program at a path, which is looked for nowhere else.
fn named(program: &Path) -> Result<PathBuf, Failure> {
    program.canonicalize().map_err(|error| {
        Failure::usage(
            format!("cannot find the server {}: {error}", program.display()),
            "`--binary` is a path to a file",
        )
    })
}

/// What a server of the bundle takes; where there is none that runs here, what the network takes. What takes a graphics card is not
/// told by a processor.
fn measured(
    server: Option<&Path>,
    bundle: &Path,
    args: &PackageArgs,
    as_json: bool,
) -> Result<Option<Measured>, Failure> {
    let device = if args.gpu { "wgpu" } else { "cpu" };
    let seconds = args.seconds;
    let note = |text: String| {
        if !as_json {
            report::note(text);
        }
    };
    if let Some(program) = server {
        note(format!("Measuring what a server of the model takes, {} ...", program.display()));
        match served::measure(program, bundle, device, seconds) {
            Ok(found) => return Ok(Some(found)),
            // It may be one for another machine.
            Err(failure) => note(format!("{} could not be measured here: {}", program.display(), failure.message)),
        }
    }
    if args.gpu {
        note("Nothing was measured: do it on a machine with the graphics card.".into());
        return Ok(None);
    }
    note("Measuring what the network takes without a server ...".into());
    bench_bundle::on_processor(&bundle.display().to_string(), seconds).map(Some)
}

/// Refuses what is said of a way that is not gone.
fn check_belongings(args: &PackageArgs) -> Result<(), Failure> {
    let belongings = [
        ("--binary", args.binary.is_some(), "--oci", args.oci || asks_for_memory(args)),
        ("--canary", args.canary.is_some(), "--kserve", args.kserve),
        ("--crates", args.crates.is_some(), "--rust", args.rust),
        ("--graph", args.graph.is_some(), "--web", args.web),
        ("--runtime", args.runtime.is_some(), "--web", args.web),
        ("--storage", args.storage.is_some(), "--kserve", args.kserve),
    ];
    match belongings.iter().find(|(_, said, _, gone)| *said && !gone) {
        Some((flag, _, way, _)) => Err(Failure::usage(
            format!("`{flag}` is about `{way}`, which is not written"),
            format!("add `{way}`, or leave out `{flag}`"),
        )),
        None => Ok(()),
    }
}

/// A folder if there is one, else a repository.
fn crates(place: &str) -> Crates {
    match PathBuf::from(place) {
        folder if folder.is_dir() || !place.contains("://") => Crates::Path(folder),
        _ => Crates::Git { url: place.to_owned(), revision: None },
    }
}

/// The bundle that is meant, and where packages lie if nothing is said.
fn bundle_of(model: &str) -> Result<(PathBuf, PathBuf), Failure> {
    let path = PathBuf::from(model);
    if path.is_file() && Bundle::is_at(&path) {
        let typed = trainer::address::typed(&path);
        let hint = format!("unpack it: `firebox export {typed} --to bundle --out DIR`, and package DIR/bundle");
        return Err(Failure::usage(format!("{model} is a bundle in one file, and a package takes the folder"), hint));
    }
    if Bundle::is_at(&path) {
        return Ok((path.clone(), path.with_file_name("package")));
    }
    let address = Address::parse(model);
    if address.checkpoint.is_some() && address.run.is_dir() {
        let hint =
            format!("write its bundle first: `firebox export {model} --to bundle --out DIR`, and package DIR/bundle");
        return Err(Failure::usage(format!("{model} is a checkpoint, and a package takes a bundle"), hint));
    }
    Ok((finished_run(&path)?.bundle(), path.join("package")))
}

//! `firebox sweep export` and `import`: studies for other tools, and studies of theirs.

use std::path::{Path, PathBuf};

use data_loader::atomic;
use serde_json::json;
use trainer::address::typed;
use trainer::sweep::cluster::Cluster;
use trainer::sweep::engines::{self, katib, kubeflow, kubernetes};
use trainer::sweep::interchange::{Told, hparams, mlflow, optuna};
use trainer::sweep::place::Place;
use trainer::sweep::status::Status as Standing;
use trainer::sweep::study::Study;

use super::{Ended, open};
use crate::args::{ExportTo, SweepExport, SweepImport};
use crate::failure::{Failure, Status};
use crate::report;

pub(super) fn export(args: &SweepExport, json: bool) -> Ended {
    let study = open(&args.study, None)?;
    let beside = |name: &str| args.out.clone().unwrap_or_else(|| study.folder().join(name));
    let (place, told) = match args.to {
        ExportTo::Mlflow => {
            let server = mlflow::server(args.address.as_deref(), |name| std::env::var(name).ok())?;
            let over = Standing::of(&study).state == "over";
            let experiment = args.experiment.as_deref().unwrap_or(study.name());
            (server.address().to_owned(), mlflow::export(&server, experiment, study.place(), study.view(), over)?)
        }
        ExportTo::Optuna => {
            let out = beside("optuna.db");
            (out.display().to_string(), optuna::export(study.view(), &out, args.replace)?)
        }
        ExportTo::Hparams => {
            let out = beside("tensorboard");
            (out.display().to_string(), hparams::export(study.view(), &out, args.replace)?)
        }
        ExportTo::Katib => write(&beside("katib.yaml"), args, as_katib(&study, args)?)?,
        ExportTo::Kubeflow => write(&beside("kubeflow.yaml"), args, as_kubeflow(&study, args)?)?,
        ExportTo::Kubernetes => write(&beside("kubernetes.yaml"), args, as_kubernetes(&study, args)?)?,
    };
    if json {
        report::json(&json!({ "to": place, "trials": told.trials, "remarks": told.remarks }));
        return Ok(Status::Done);
    }
    for remark in &told.remarks {
        report::note(remark);
    }
    match args.to {
        ExportTo::Mlflow | ExportTo::Optuna | ExportTo::Hparams => {
            report::line(format!("{} trials of {} are told to {place}.", told.trials, study.name()));
        }
        _ => report::line(format!("{} lies at {place}", study.name())),
    }
    if args.to == ExportTo::Kubernetes {
        report::line("Next:");
        report::line(format!("  kubectl apply -f {}", typed(&PathBuf::from(place))));
    }
    Ok(Status::Done)
}

pub(super) fn import(args: &SweepImport, json: bool) -> Ended {
    let mut study = open(&args.study, None)?;
    let brought = optuna::import(&args.file, args.name.as_deref(), study.view())?;
    study.bring_in(&brought.trials)?;
    if json {
        report::json(&json!({ "trials": brought.trials.len(), "remarks": brought.remarks }));
        return Ok(Status::Done);
    }
    for remark in &brought.remarks {
        report::note(remark);
    }
    report::line(format!(
        "{} trials are brought in; searchers learn from them, and no budget counts them.",
        brought.trials.len()
    ));
    Ok(Status::Done)
}

/// Writes a manifest in one piece.
fn write(out: &Path, args: &SweepExport, (text, told): (String, Told)) -> Result<(String, Told), Failure> {
    if out.exists() && !args.replace {
        let message = format!("{} is there already", out.display());
        return Err(Failure::usage(message, "name another file by --out, or say --replace"));
    }
    match args.to {
        // The password of the database stands in it.
        ExportTo::Kubernetes => atomic::write_secret(out, text.as_bytes()),
        _ => atomic::write_file(out, text.as_bytes()),
    }
    .map_err(data_loader::Error::from)?;
    Ok((out.display().to_string(), told))
}

/// What workers on a cluster need, as the study says it.
pub(super) fn cluster(study: &Study) -> Cluster {
    study.sweep.cluster.clone().unwrap_or_default()
}

pub(super) fn no_image(reason: String) -> Failure {
    Failure::usage(
        reason,
        "write `[sweep.cluster]` with `image = \"...\"` into the config, or --set sweep.cluster.image=...",
    )
}

fn as_kubernetes(study: &Study, args: &SweepExport) -> Result<(String, Told), Failure> {
    let Place::Url { .. } = Place::parse(&args.study) else {
        return Err(Failure::usage(
            format!("{} is a file, and the pods of many machines share none", args.study),
            "begin the sweep by --storage postgres://USER@HOST/DATABASE, and name it so",
        ));
    };
    let workers =
        cluster(study).on_kubernetes(study.name(), &args.study, u32::from(args.workers), None).map_err(no_image)?;
    Ok((kubernetes::yaml(&workers)?, Told::default()))
}

fn as_katib(study: &Study, args: &SweepExport) -> Result<(String, Told), Failure> {
    let wanted = katib::Experiment {
        config: study.experiment.to_toml(),
        settings: Vec::new(),
        device: None,
        parallel: u32::from(args.workers),
        needs: cluster(study).needs().map_err(no_image)?,
    };
    let (text, mut remarks) = katib::yaml(study.view(), &wanted)?;
    remarks.push(format!(
        "Its trials read the data at {}: in the image, or on a volume of [sweep.cluster.mounts].",
        study.experiment.data.card.display()
    ));
    Ok((text, Told { trials: 0, remarks }))
}

fn as_kubeflow(study: &Study, args: &SweepExport) -> Result<(String, Told), Failure> {
    let wanted = kubeflow::Pipeline {
        name: study.name().to_owned(),
        config: study.config().display().to_string(),
        trials: study.sweep.trials.unwrap_or(trainer::sweep::config::TRIALS),
        workers: args.workers,
        device: None,
        claim: format!("{}-work", engines::label(study.name(), 58)),
        needs: cluster(study).needs().map_err(no_image)?,
    };
    let remark = format!(
        "Its steps read the config at {}, in the image or below /work of the volume `{}`: copy it there.",
        wanted.config, wanted.claim
    );
    Ok((kubeflow::yaml(&wanted)?, Told { trials: 0, remarks: vec![remark] }))
}

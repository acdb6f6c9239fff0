//! `firebox export`: a model leaves, in forms that other programs read, each proven to hold it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use model_zoo::bundle;
use serde_json::{Value, json};
use trainer::address::Address;
use trainer::calibration::{self, Threshold};
use trainer::exporters::{self, Beside, Form, MEMBERS, Made, Options, Shown, Source};

use super::Ended;
use crate::args::{Export, Keygen};
use crate::failure::{Failure, Status};
use crate::report;

pub(super) fn run(args: &Export, as_json: bool) -> Ended {
    let mut names: Vec<&str> = args.to.iter().map(|name| name.trim()).collect();
    // Once is enough, in the order that was asked for.
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    let forms = names.iter().map(|name| form(name)).collect::<Result<Vec<_>, _>>()?;
    for (asked, flag, needed) in
        [(args.sign.is_some(), "--sign", "bundle"), (args.with_preprocessing, "--with-preprocessing", "onnx")]
    {
        if asked && !names.contains(&needed) {
            let hint = format!("name it, too: `--to {needed}`; other forms take no notice");
            return Err(Failure::usage(format!("`{flag}` is about the form `{needed}`, which is not written"), hint));
        }
    }
    let holds = names.contains(&"bundle") || names.contains(&"hugging_face") || args.with_preprocessing;
    if (args.calibrate || !args.thresholds.is_empty()) && !holds {
        return Err(Failure::usage(
            "none of these forms holds a temperature or thresholds",
            "they stand in `bundle`, in `hugging_face`, and in `onnx` with `--with-preprocessing`: name one of these, too",
        ));
    }
    // Files are held against the answers of the processor, which repeat themselves.
    let device = model_zoo::device::open("cpu")?;
    let thresholds = args.thresholds.iter().map(|text| threshold(text)).collect::<Result<Vec<_>, _>>()?;
    for (at, (name, _)) in thresholds.iter().enumerate() {
        if thresholds[..at].iter().any(|(other, _)| other == name) {
            return Err(Failure::usage(format!("`{name}` is given two thresholds"), "give each class one at most"));
        }
    }
    let mut source = Source::open(&args.model, &device)?;
    let known = source.content.tests.clone();
    if args.calibrate || !thresholds.is_empty() {
        let signed = source.bundle.as_ref().is_some_and(|bundle| bundle::is_signed(bundle).unwrap_or(false));
        calibration::calibrate(&mut source, args.calibrate, &thresholds, &device)?;
        if !as_json {
            source.content.tests.iter().filter(|test| !known.contains(test)).filter_map(found).for_each(report::line);
            if signed && args.sign.is_none() {
                report::note("It was signed, and is another model now: the new bundle is not signed.");
            }
        }
    }
    let out = args.out.clone().unwrap_or_else(|| beside(&args.model));
    let mut told = |made: &Made| {
        if !as_json {
            report::line(line(made));
        }
    };
    let options = Options { key: args.sign.as_deref(), with_preprocessing: args.with_preprocessing };
    let made = exporters::export(&source, &forms, &out, &device, options, &mut told)?;
    if as_json {
        let anew: Vec<&Value> = source.content.tests.iter().filter(|test| !known.contains(test)).collect();
        report::json(&json!({ "out": out.display().to_string(), "files": made, "calibrated": anew }));
    } else {
        report::line(format!("They lie in {}", out.display()));
    }
    Ok(Status::Done)
}

fn threshold(text: &str) -> Result<(String, Threshold), Failure> {
    Threshold::parse(text).map_err(|reason| {
        let hint = "as in `--threshold yes=0.3`, `--threshold yes=f1` or `--threshold anomaly=99%`";
        Failure::usage(format!("`--threshold {text}`: {reason}"), hint)
    })
}

/// What a record of calibration says, a line.
fn found(record: &Value) -> Option<String> {
    let number = |at: &str| record.pointer(at).and_then(Value::as_f64).unwrap_or(f64::NAN);
    let of = format!("on {} examples of the {} split", record["examples"], record["part"].as_str()?);
    Some(match record["test"].as_str()? {
        "calibration" => format!(
            "Temperature {:.4}: the loss is {:.4}, {:.4} before, and the calibration error {:.4}, {:.4} before ({of})",
            number("/temperature"),
            number("/loss/after"),
            number("/loss/before"),
            number("/calibration_error/after"),
            number("/calibration_error/before")
        ),
        "threshold" if record.get("percentile").is_some() => format!(
            "`{}` is from {:.4} on: {} % of the {} split do not exceed it",
            record["class"].as_str()?,
            number("/threshold"),
            number("/percentile"),
            record["part"].as_str()?
        ),
        "threshold" => format!(
            "`{}` is answered from {:.4} on: F1 {:.4}, {:.4} from one half on ({of})",
            record["class"].as_str()?,
            number("/threshold"),
            number("/f1/at_threshold"),
            number("/f1/at_half")
        ),
        _ => return None,
    })
}

/// The form called `name`.
fn form(name: &str) -> Result<Form, Failure> {
    exporters::form(name).ok_or_else(|| {
        let known = MEMBERS.iter().map(|form| form.name).collect::<Vec<_>>().join(", ");
        Failure::usage(format!("`{name}` is no form in which a model can leave"), format!("forms are {known}"))
    })
}

/// Where files lie if nothing is said: in the run, or beside the bundle.
fn beside(model: &str) -> PathBuf {
    let path = Address::parse(model).run;
    match path.is_dir() && !bundle::Bundle::is_at(&path) {
        true => path.join("export"),
        false => path.with_file_name("export"),
    }
}

fn line(made: &Made) -> String {
    let size = bytes(made.bytes);
    let proof = match &made.proof {
        Shown::SameNumbers => "every number is the same".to_owned(),
        Shown::Equal(proof) if made.form == "bundle" => {
            format!("{} golden samples are answered as before", proof.examples)
        }
        Shown::Equal(proof) => {
            format!("run on {} examples, answers differ by {:.1e} at most", proof.examples, proof.largest)
        }
        Shown::Rounded(proof) => {
            format!("on {} examples answers move by {:.1e} at most", proof.examples, proof.largest)
        }
        Shown::NotRun(reason) => format!("NOT PROVEN here, it was not run: {reason}"),
    };
    let judged = made.judged.as_ref().map_or_else(String::new, |judged| {
        let beside = |one: &Beside| format!("{} {:.4}, {:.4} before", one.metric, one.file, one.network);
        format!("; {} ({})", judged.scores.iter().map(beside).collect::<Vec<_>>().join("; "), judged.split)
    });
    format!("{:24} {size:>10}  {proof}{judged}", made.file)
}

/// A number of bytes, as in `1.4 MB`.
pub(super) fn bytes(number: u64) -> String {
    match number {
        0..1_000 => format!("{number} B"),
        1_000..1_000_000 => format!("{:.1} kB", number as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", number as f64 / 1e6),
        _ => format!("{:.2} GB", number as f64 / 1e9),
    }
}

/// `firebox keygen`
pub(super) fn keygen(args: &Keygen, as_json: bool) -> Ended {
    let mut public = args.file.clone().into_os_string();
    public.push(".pub");
    let public = PathBuf::from(public);
    bundle::generate_key(&args.file, &public)?;
    if as_json {
        report::json(&json!({ "secret": args.file.display().to_string(), "public": public.display().to_string() }));
    } else {
        report::line(format!("The secret key lies in {}; keep it.", args.file.display()));
        report::line(format!("The public key lies in {}; give it to whoever verifies.", public.display()));
    }
    Ok(Status::Done)
}

//! `firebox data fetch`: the files of a data set, or of weights, come from where their card says, and are verified.

use data_loader::Error;
use data_loader::fetch::{Checked, Fetched, Options, State, fetch};
use model_zoo::pretrained::WeightsCard;
use serde_json::json;
use trainer::address::typed;

use super::Ended;
use super::train::interrupt_flag;
use crate::args::DataFetch;
use crate::console::Transfer;
use crate::failure::Status;
use crate::report;

pub(super) fn run(args: &DataFetch, json: bool) -> Ended {
    let stop = interrupt_flag()?;
    let mut transfer = Transfer::new();
    let mut progress = |event: &data_loader::fetch::Event| {
        if !json {
            transfer.show(event);
        }
    };
    let weights = match WeightsCard::is_of_weights(&args.card)? {
        true => Some(WeightsCard::read(&args.card)?),
        false => None,
    };
    let outcome = Options::new(&stop, &mut progress).and_then(|options| match &weights {
        Some(card) => card.fetch(&args.card, options),
        None => fetch(&args.card, options),
    });
    transfer.clear();
    let files = match outcome {
        Ok(files) => files,
        Err(Error::Interrupted) => {
            let command = format!("firebox data fetch {}", typed(&args.card));
            if json {
                report::json(&json!({ "card": args.card.display().to_string(), "status": "interrupted" }));
            } else {
                report::line("Interrupted; what has come so far is kept. Go on with:");
                report::line(format!("  {command}"));
            }
            return Ok(Status::Interrupted);
        }
        Err(error) => return Err(error.into()),
    };
    if json {
        let files: Vec<_> = files.iter().map(as_json).collect();
        report::json(&json!({ "card": args.card.display().to_string(), "status": "complete", "files": files }));
    } else {
        show(&files);
    }
    Ok(Status::Done)
}

fn checked(file: &Fetched) -> &'static str {
    match file.checked {
        Checked::Stated => "as stated",
        Checked::ByArchive => "of its archive as stated",
        Checked::Recorded => "as fetched",
        Checked::Unstated => "not stated",
    }
}

fn as_json(file: &Fetched) -> serde_json::Value {
    json!({
        "path": file.name,
        "bytes": file.bytes,
        "sha256": file.sha256,
        "verified": matches!(file.checked, Checked::Stated | Checked::ByArchive),
        "fetched": file.state == State::Fetched,
        "rows": file.rows,
        "pages": file.pages,
    })
}

fn show(files: &[Fetched]) {
    let rows: Vec<Vec<String>> = files
        .iter()
        .map(|file| {
            let state = match file.state {
                State::Present => "was there",
                State::Fetched => "fetched",
            };
            let rows = file.rows.map_or(String::new(), |rows| format!(", rows: {}", report::count(rows)));
            let pages = file.pages.map_or(String::new(), |pages| format!(", pages: {}", report::count(pages)));
            let state = format!("{state}{rows}{pages}");
            vec![file.name.clone(), report::count(file.bytes), checked(file).to_owned(), state]
        })
        .collect();
    report::table(&["file", "bytes", "checksum", ""], &rows);
    for file in files.iter().filter(|file| file.checked != Checked::Stated && !file.of_pattern) {
        report::line("");
        report::line(format!(
            "The card states no checksum of {}. If this is the right file, write in its table:",
            file.name
        ));
        report::line(format!("  sha256 = \"{}\"", file.sha256));
    }
}

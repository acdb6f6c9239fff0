//! `firebox devices`: on what this machine can compute.

use serde_json::json;

use super::Ended;
use crate::failure::Status;
use crate::report;

pub(super) fn run(json: bool) -> Ended {
    let devices = model_zoo::device::list();
    let auto = model_zoo::device::open("auto")?.name;
    if json {
        let rows: Vec<_> = devices
            .iter()
            .map(|found| {
                json!({
                    "name": found.name,
                    "description": found.description,
                    "software": found.software,
                    "auto": found.name == auto,
                })
            })
            .collect();
        report::json(&json!(rows));
        return Ok(Status::Done);
    }
    let rows: Vec<Vec<String>> = devices
        .iter()
        .map(|found| {
            let remark = match (found.name == auto, found.software) {
                (true, _) => "what `auto` picks",
                (_, true) => "software, only by name",
                _ => "",
            };
            vec![found.name.clone(), found.description.clone(), remark.to_owned()]
        })
        .collect();
    report::table(&["device", "what it is", ""], &rows);
    Ok(Status::Done)
}

//! `firebox verify bundle` and `firebox verify export`: what lies there is what was written, and answers as it did.

use model_zoo::bundle::{self, Bundle, PublicKey};
use serde_json::json;
use trainer::exporters::{self, checked::Checked};

use super::Ended;
use crate::args::{VerifyBundle, VerifyExport};
use crate::failure::{Failure, Status};
use crate::report;

/// Every file against its hash, and the signature if there is one or must be one.
pub(super) fn bundle(args: &VerifyBundle, as_json: bool) -> Ended {
    let key = args.key.as_deref().map(PublicKey::read).transpose()?;
    // The signature first: where the manifest was changed, no file is to blame.
    let (files, signed) = if key.is_some() || bundle::is_signed(&args.bundle)? {
        let signed = bundle::verify(&args.bundle, key.as_ref())?;
        (signed.files, Some(signed))
    } else {
        (bundle::verify_files(&args.bundle)?, None)
    };
    if as_json {
        let signer = signed.as_ref().map(|signed| signed.by.to_string());
        report::json(&json!({ "files": files, "signed_by": signer, "key_checked": key.is_some() }));
        return Ok(Status::Done);
    }
    report::line(format!("{files} files are as they were written."));
    report::line(match &signed {
        None => "It is not signed.".to_owned(),
        Some(_) if key.is_some() => "It is signed by the key you gave.".to_owned(),
        Some(signed) => format!("It is signed by the key {}; give the one you trust by --key.", signed.by),
    });
    Ok(Status::Done)
}

/// Golden samples replayed; of a folder of exported files each one held against what was noted of it, and run.
pub(super) fn export(args: &VerifyExport, as_json: bool) -> Ended {
    let device = model_zoo::device::open(&args.device)?;
    if Bundle::is_at(&args.path) {
        let found = Bundle::read(&args.path)?;
        let network = found.network(&device.device)?;
        let samples = found.replay_golden(network.as_ref(), &device.device)?;
        if samples == 0 {
            return Err(Failure::usage(
                format!("{} holds no golden samples to be replayed", args.path.display()),
                "write it again from its run, `firebox export RUN`",
            ));
        }
        if as_json {
            report::json(&json!({ "golden_samples": samples, "device": device.name }));
        } else {
            report::line(format!("{samples} golden samples are answered as they were, on {}.", device.name));
        }
        return Ok(Status::Done);
    }
    let checked = exporters::checked::check(&args.path)?;
    if as_json {
        report::json(&json!({ "files": checked }));
    } else {
        for Checked { file, found } in &checked {
            report::line(format!("{file:24} {found}"));
        }
    }
    Ok(Status::Done)
}

//! What does a list of members hold? A name and a line about each, from which `firebox list` and help are made.

/// One member of a plural folder: a format, a split, a transform, a sampler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The word used in cards and configs; also the name of the member's file.
    pub name: &'static str,
    /// One line, lower case, without a full stop.
    pub summary: &'static str,
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Entry;

    /// The folder, the list and the alphabet agree.
    fn check(folder: &str, members: &[Entry]) {
        let names: Vec<String> = members.iter().map(|entry| entry.name.to_owned()).collect();
        let mut files: Vec<String> = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder))
            .unwrap()
            .map(|file| file.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .filter(|name| name != "mod" && !name.ends_with("_tests"))
            .collect();
        files.sort();
        // Of a member with a folder of its own the name comes twice.
        files.dedup();
        assert_eq!(names, files, "{folder}/mod.rs lists other members than the folder holds, or in another order");
        assert!(members.iter().all(|entry| !entry.summary.is_empty() && !entry.summary.ends_with('.')));
    }

    #[test]
    fn every_member_is_listed() {
        check("checks", crate::checks::MEMBERS);
        check("formats", crate::formats::MEMBERS);
        check("samplers", crate::samplers::MEMBERS);
        check("sources", crate::sources::MEMBERS);
        check("split", crate::split::MEMBERS);
        check("transforms", crate::transforms::MEMBERS);
    }
}

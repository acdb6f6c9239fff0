//! Are decisions applied, mistakes named by line, and sources left alone?

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::time::SystemTime;

use super::proposals::{Duplicate, Places, propose};
use super::*;
use crate::checks::label_errors::{OutOfFold, find};
use crate::{DataConfig, Dataset, Part};

/// Every file below a folder, with its bytes and the time of its last change.
pub(super) fn everything(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let changed = path.metadata().unwrap().modified().unwrap();
                found.insert(path.clone(), (fs::read(&path).unwrap(), changed));
            }
        }
    }
    found
}

pub(super) struct Sandbox {
    root: tempfile::TempDir,
}

impl Sandbox {
    /// A card with files, in the folder `data`.
    pub(super) fn new(card: &str, files: &[(&str, &[u8])]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let head = "name = \"data\"\ntitle = \"Data\"\nsummary = \"rows\"\nsource = \"here\"\nlicence = \"CC0\"\ncitation = \"none\"\n";
        for (name, bytes) in files.iter().copied().chain([("card.toml", format!("{head}{card}").as_bytes())]) {
            let path = root.path().join("data").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        Self { root }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Applies decisions and gives the new folder. The source is as it was, whatever happens.
    fn clean_by(&self, name: &str, decisions: &str, unreviewed: bool) -> Result<Cleaned, Error> {
        fs::write(self.path(name), decisions).unwrap();
        let before = everything(&self.path("data"));
        let (card, decisions, out) = (self.path("data"), self.path(name), self.path("new"));
        let cleaned = clean(&Request { card: &card, decisions: &decisions, out: &out, unreviewed });
        assert_eq!(everything(&card), before, "the source was touched");
        if cleaned.is_err() {
            let left: Vec<_> =
                fs::read_dir(self.root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            assert!(!left.iter().any(|name| name.to_string_lossy().contains("new")), "something was left: {left:?}");
        }
        cleaned
    }

    pub(super) fn clean(&self, decisions: &str) -> Result<Cleaned, Error> {
        self.clean_by("decisions.toml", decisions, false)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path("new").join(name)).unwrap()
    }

    /// The sentence and the hint of what is refused.
    pub(super) fn refusal(&self, decisions: &str) -> String {
        let error = self.clean(decisions).unwrap_err();
        assert!(error.is_usage(), "{error}");
        format!("{error} {}", error.hint().unwrap_or_default())
    }
}

pub(super) const TABLE: &str =
    "\u{feff}id,x,word,y\r\n\"1\",1.50,\"red\",a\r\n\r\n2,,blue,b\r\n3,7,\"a, \"\"b\"\"\",a\n4,,NA,b\n5,9,red,a";
pub(super) const CARD: &str = "[format.csv]\n[[files]]\npath = \"t.csv\"\n[schema]\nkey = \"id\"\ntarget = { name = \"y\", kind = \"class\" }\n\
                    [schema.features]\nx = \"number\"\nword = \"category\"\n[split.random]\ntest = 0.2\n";

pub(super) fn table() -> Sandbox {
    Sandbox::new(CARD, &[("t.csv", TABLE.as_bytes())])
}

#[test]
fn a_table_keeps_every_byte_that_no_decision_changes() {
    let sandbox = table();
    let cleaned = sandbox
        .clean(
            "decisions = [\n\
             { example = \"2\", action = \"relabel\", label = \"a\", why = \"seen\" },\n\
             { example = \"3\", action = \"drop\" },\n\
             { example = \"1\", action = \"fix\", column = \"word\", value = \"dark, \\\"red\\\"\" },\n\
             { column = \"x\", action = \"impute\", value = 2.5 },\n\
             { example = \"4\", action = \"impute\", column = \"x\", value = -1 },\n]",
        )
        .unwrap();
    let expected =
        "\u{feff}id,x,word,y\r\n\"1\",1.50,\"dark, \"\"red\"\"\",a\r\n\r\n2,2.5,blue,a\r\n4,-1,NA,b\n5,9,red,a";
    assert_eq!(sandbox.read("t.csv"), expected);
    let counts = Counts { dropped: 1, columns: 0, relabelled: 1, fixed: 1, imputed: 2 };
    assert_eq!((cleaned.before, cleaned.after, &cleaned.counts), (5, 4, &counts));

    // The card says from what the data were made; ids of a key column stay, so that no list of rows is needed.
    let (old, new) = (Card::open(&sandbox.path("data")).unwrap(), Card::open(&cleaned.folder).unwrap());
    let derived = new.config.derived.as_ref().unwrap();
    assert_eq!((new.name(), derived.from.as_str(), derived.rows.as_ref()), ("new", "data", None));
    assert_eq!((&derived.counts, &derived.files[0].sha256), (&counts, &old.files[0].sha256));
    assert_eq!(new.config.files[0].sha256.as_ref(), Some(&new.files[0].sha256));
    assert_eq!((&new.config.licence, &new.config.citation), (&old.config.licence, &old.config.citation));
    assert!(new.config.source.starts_with("data, cleaned by decisions.toml"), "{}", new.config.source);
    assert_eq!(crate::card::digest(&cleaned.folder.join("decisions.toml")).unwrap(), derived.decisions_sha256);
    assert_eq!((new.config.schema, new.config.split), (old.config.schema, old.config.split));
    let keys: Vec<String> = {
        let records = formats::open(&Card::open(&cleaned.folder).unwrap()).unwrap();
        (0..records.len()).map(|row| records.key(row).unwrap()).collect()
    };
    assert_eq!(keys, ["1", "2", "4", "5"]);
}

#[test]
fn a_column_goes_with_its_header_and_its_place_in_the_schema() {
    let sandbox = table();
    sandbox.clean("[[decisions]]\naction = \"drop\"\ncolumn = \"x\"\n").unwrap();
    let expected = "\u{feff}id,word,y\r\n\"1\",\"red\",a\r\n\r\n2,blue,b\r\n3,\"a, \"\"b\"\"\",a\n4,NA,b\n5,red,a";
    assert_eq!(sandbox.read("t.csv"), expected);
    let new = Card::open(&sandbox.path("new")).unwrap();
    assert_eq!(new.schema().names(FeatureKind::Number), Vec::<&str>::new());
    assert_eq!(new.config.derived.unwrap().counts.columns, 1);
}

#[test]
fn proposals_count_once_they_are_reviewed() {
    let sandbox = table();
    let suspects = find(&OutOfFold {
        rows: (0..5).collect(),
        ids: (1..6).map(|id| id.to_string()).collect(),
        given: vec![0, 1, 0, 1, 0],
        probabilities: vec![0.9, 0.1, 0.95, 0.05, 0.9, 0.1, 0.1, 0.9, 0.8, 0.2],
        labels: vec!["a".into(), "b".into()],
    })
    .unwrap();
    assert_eq!(suspects.suspects.iter().map(|suspect| suspect.id.as_str()).collect::<Vec<_>>(), ["2"]);
    let pair = |stays: &str, goes: &str, row: u32| Duplicate { stays: stays.into(), goes: goes.into(), row };
    let duplicates = [pair("3", "5", 4), pair("3", "4", 3), pair("5", "4", 3)];
    let proposals = propose(Some(&suspects), &duplicates, &Places::default());
    let path = sandbox.path("data-decisions.toml");
    assert!(proposals::write(&proposals, &path).unwrap());
    let text = fs::read_to_string(&path).unwrap();
    // Proposals take the place of older ones, and never of what someone has reviewed.
    assert!(proposals::write(&proposals, &path).unwrap());
    for theirs in [text.replacen("false", "true", 1), "mine".to_owned()] {
        fs::write(&path, &theirs).unwrap();
        assert!(!proposals::write(&proposals, &path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), theirs);
    }
    fs::write(&path, &text).unwrap();
    assert_eq!(Decisions::read(&path).unwrap().list.into_iter().map(|(_, one)| one).collect::<Vec<_>>(), proposals);

    let refusal = sandbox.refusal(&text);
    assert!(refusal.contains("3 of 3 decisions") && refusal.contains("--unreviewed"), "{refusal}");
    let reviewed = text.replace("reviewed = false", "reviewed = true");
    let counts = sandbox.clean(&reviewed).unwrap().counts;
    assert_eq!((counts.dropped, counts.relabelled), (2, 1));
    assert!(sandbox.read("t.csv").contains("2,,blue,a"), "{}", sandbox.read("t.csv"));
    fs::remove_dir_all(sandbox.path("new")).unwrap();
    assert_eq!(sandbox.clean_by("d.toml", &text, true).unwrap().counts, counts);
}

#[test]
fn a_place_is_named_where_an_id_is_not_unique() {
    let sandbox = Sandbox::new(CARD, &[("t.csv", b"id,x,word,y\n1,1,r,a\n1,2,r,b\n2,3,s,a\n")]);
    assert!(
        sandbox.refusal("[[decisions]]\nexample = \"1\"\naction = \"drop\"\n").contains("2 examples have the id `1`")
    );
    // Proposals name such examples by their places.
    let dataset = Dataset::open(&DataConfig::new("data"), sandbox.root.path(), None, 1).unwrap();
    let pair = |stays: &str, goes: &str, row| Duplicate { stays: stays.into(), goes: goes.into(), row };
    let proposals = propose(None, &[pair("1", "1", 1), pair("1", "2", 2)], &Places::of(&dataset).unwrap());
    let names: Vec<&str> = proposals.iter().filter_map(|proposal| proposal.example.as_deref()).collect();
    assert_eq!(names, ["data/t.csv#1", "2"]);
    sandbox.clean("[[decisions]]\nexample = \"data/t.csv#1\"\naction = \"drop\"\n").unwrap();
    assert_eq!(sandbox.read("t.csv"), "id,x,word,y\n1,1,r,a\n2,3,s,a\n");
}

#[test]
fn jsonl_keeps_every_byte_that_no_decision_changes() {
    let lines = "{\"y\": 0, \"x\": 1.50e0 , \"t\":\"\\u0041\"}\n\n{\"x\":null,\"t\":\"b\",\"y\":1}\r\n {\"t\": null, \"y\": 0, \"x\": 3}\n{\"y\":1,\"t\":\"d\",\"x\":4}";
    let card = "[format.jsonl]\n[[files]]\npath = \"t.jsonl.gz\"\npart = \"train\"\n[schema]\ntarget = { name = \"y\", kind = \"class\" }\n\
                [schema.features]\nx = \"number\"\nt = \"text\"\n";
    let packed = |text: &str| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap()
    };
    let sandbox = Sandbox::new(card, &[("t.jsonl.gz", &packed(lines))]);
    let decisions = "{\"example\": \"data/t.jsonl.gz#0\", \"action\": \"relabel\", \"label\": \"1\", \"why\": \"seen\"}\n\n\
                     {\"column\": \"t\", \"action\": \"impute\", \"value\": \"none\\n\"}\n\
                     {\"example\": \"data/t.jsonl.gz#1\", \"action\": \"drop\"}\n\
                     {\"example\": \"data/t.jsonl.gz#3\", \"action\": \"fix\", \"column\": \"x\", \"value\": 4.25}\n";
    sandbox.clean_by("d.jsonl", decisions, false).unwrap();
    let path = sandbox.path("new/t.jsonl.gz");
    assert_eq!(fs::read(&path).unwrap()[..2], [0x1f, 0x8b]);
    let found = String::from_utf8(crate::files::unpack::read_bytes(&path, 1000).unwrap()).unwrap();
    let expected = "{\"y\": 1, \"x\": 1.50e0 , \"t\":\"\\u0041\"}\n\n {\"t\": \"none\\n\", \"y\": 0, \"x\": 3}\n{\"y\":1,\"t\":\"d\",\"x\":4.25}";
    assert_eq!(found, expected);
    assert_eq!(
        sandbox.read("rows.csv"),
        "old,new\ndata/t.jsonl.gz#0,new/t.jsonl.gz#0\ndata/t.jsonl.gz#1,\ndata/t.jsonl.gz#2,new/t.jsonl.gz#1\ndata/t.jsonl.gz#3,new/t.jsonl.gz#2\n"
    );
    assert_eq!(Card::open(&sandbox.path("new")).unwrap().files[0].part, Some(Part::Train));
    let wrong =
        "{\"example\": \"data/t.jsonl.gz#0\", \"action\": \"drop\"}\n{\"exampel\": \"1\", \"action\": \"drop\"}\n";
    fs::remove_dir_all(sandbox.path("new")).unwrap();
    let error = sandbox.clean_by("d.jsonl", wrong, false).unwrap_err();
    assert!(error.to_string().contains("line 2") && error.hint().unwrap().contains("`example`"), "{error}");
    // A column goes from every line.
    sandbox.clean_by("d.jsonl", "{\"column\": \"x\", \"action\": \"drop\"}", false).unwrap();
    let found = String::from_utf8(crate::files::unpack::read_bytes(&path, 1000).unwrap()).unwrap();
    assert!(found.starts_with("{\"y\": 0, \"t\":\"\\u0041\"}\n\n{\"t\":\"b\",\"y\":1}\r\n"), "{found}");
}

#[test]
fn idx_files_lose_what_is_dropped_and_stay_packed() {
    let idx = |shape: &[u32], content: &[u8]| {
        let mut bytes = vec![0, 0, 8, shape.len() as u8];
        bytes.extend(shape.iter().flat_map(|size| size.to_be_bytes()));
        bytes.extend(content);
        bytes
    };
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(&idx(&[3, 1, 2], &[1, 2, 3, 4, 5, 6])).unwrap();
    let images = packer.finish().unwrap();
    let card = "[format.idx]\n[[files]]\npath = \"a-labels\"\nrole = \"labels\"\npart = \"train\"\n[[files]]\npath = \"a.gz\"\nrole = \"images\"\npart = \"train\"\n\
                [[files]]\npath = \"b\"\nrole = \"images\"\npart = \"test\"\n[[files]]\npath = \"b-labels\"\nrole = \"labels\"\npart = \"test\"\n\
                [schema]\ntarget = { name = \"y\", kind = \"class\" }\n[schema.features]\nimage = \"image\"\n";
    let (test, test_labels) = (idx(&[2, 1, 2], &[7, 8, 9, 10]), idx(&[2], &[1, 0]));
    let sandbox = Sandbox::new(
        card,
        &[("a.gz", &images), ("a-labels", &idx(&[3], &[0, 1, 0])), ("b", &test), ("b-labels", &test_labels)],
    );
    let decisions = "[[decisions]]\nexample = \"data/a.gz#1\"\naction = \"drop\"\n[[decisions]]\nexample = \"data/b#0\"\naction = \"relabel\"\nlabel = \"0\"\n";
    sandbox.clean(decisions).unwrap();
    let unpacked = |name: &str| crate::files::unpack::read_bytes(&sandbox.path("new").join(name), 1000).unwrap();
    assert_eq!(unpacked("a.gz"), idx(&[2, 1, 2], &[1, 2, 5, 6]));
    assert_eq!(fs::read(sandbox.path("new/a.gz")).unwrap()[..2], [0x1f, 0x8b]);
    assert_eq!((unpacked("a-labels"), unpacked("b-labels")), (idx(&[2], &[0, 0]), idx(&[2], &[0, 0])));
    assert_eq!(unpacked("b"), test);
    assert!(
        sandbox
            .read("rows.csv")
            .ends_with("data/a.gz#1,\ndata/a.gz#2,new/a.gz#1\ndata/b#0,new/b#0\ndata/b#1,new/b#1\n")
    );
    fs::remove_dir_all(sandbox.path("new")).unwrap();
    let fix = "[[decisions]]\nexample = \"data/b#0\"\naction = \"fix\"\ncolumn = \"image\"\nvalue = 3\n";
    assert!(sandbox.refusal(fix).contains("an image can be dropped or relabelled"));
}

#[test]
fn images_move_to_the_folder_of_their_new_class() {
    let png = |grey: u8| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image::GrayImage::from_pixel(2, 2, image::Luma([grey])).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
        bytes.into_inner()
    };
    let files =
        [("p/cat/1.png", 1), ("p/cat/2.png", 2), ("p/dog/1.png", 3), ("p/dog/deep/3.png", 4), ("p/emu/1.png", 5)];
    let images: Vec<(&str, Vec<u8>)> = files.iter().map(|(name, grey)| (*name, png(*grey))).collect();
    let files: Vec<(&str, &[u8])> = images.iter().map(|(name, bytes)| (*name, &bytes[..])).collect();
    let card = "[format.image_folder]\nchannels = 1\n[[files]]\npath = \"p\"\n[schema]\ntarget = { name = \"y\", kind = \"class\" }\n[schema.features]\nimage = \"image\"\n";
    let sandbox = Sandbox::new(card, &files);
    let decisions = "[[decisions]]\nexample = \"data/p/dog/1.png\"\naction = \"relabel\"\nlabel = \"cat\"\n\
                     [[decisions]]\nexample = \"data/p/dog/deep/3.png\"\naction = \"relabel\"\nlabel = \"cat\"\n\
                     [[decisions]]\nexample = \"data/p/cat/2.png\"\naction = \"drop\"\n";
    let cleaned = sandbox.clean(decisions).unwrap();
    let new: Vec<(String, Vec<u8>)> = everything(&sandbox.path("new/p"))
        .into_iter()
        .map(|(path, (bytes, _))| (path.strip_prefix(&cleaned.folder).unwrap().to_string_lossy().into_owned(), bytes))
        .collect();
    let expected = [
        ("p/cat/1-from-dog.png", png(3)),
        ("p/cat/1.png", png(1)),
        ("p/cat/deep/3.png", png(4)),
        ("p/emu/1.png", png(5)),
    ];
    assert_eq!(new, expected.map(|(name, bytes)| (name.to_owned(), bytes)));
    assert!(sandbox.read("rows.csv").contains("data/p/cat/2.png,\ndata/p/dog/1.png,new/p/cat/1-from-dog.png\n"));
    assert!(Card::open(&cleaned.folder).unwrap().config.files[0].sha256.is_some());
}

#[test]
fn penguins_are_cleaned_and_open_as_a_data_set() {
    let root = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/penguins");
    let before = everything(&source);
    let decisions = root.path().join("d.toml");
    fs::write(
        &decisions,
        "[[decisions]]\nexample = \"penguins/penguins.csv#17\"\naction = \"drop\"\nwhy = \"twice\"\n\
         [[decisions]]\nexample = \"penguins/penguins.csv#18\"\naction = \"relabel\"\nlabel = \"Gentoo\"\n\
         [[decisions]]\ncolumn = \"body_mass_g\"\naction = \"impute\"\nvalue = 4200\n",
    )
    .unwrap();
    let out = root.path().join("penguins_clean");
    let cleaned = clean(&Request { card: &source, decisions: &decisions, out: &out, unreviewed: false }).unwrap();
    assert_eq!((cleaned.before, cleaned.after, cleaned.counts.imputed), (344, 343, 2));
    assert_eq!(everything(&source), before);
    let dataset = Dataset::open(&DataConfig::new("penguins_clean"), root.path(), None, 1).unwrap();
    let rows = dataset.rows_of(&Part::ALL);
    assert_eq!((rows.len(), dataset.signature().input("numbers").is_some()), (343, true));
    assert_eq!(dataset.record(17).unwrap().field("species"), Some(&Value::Text("Gentoo".into())));
    // Lines that no decision names are those of the source.
    let lines = |folder: &Path| fs::read_to_string(folder.join("penguins.csv")).unwrap();
    let (old, new) = (lines(&source), lines(&out));
    let changed = new.lines().filter(|line| !old.lines().any(|before| before == *line)).count();
    assert_eq!(changed, 3);
    // A cleaned data set can be cleaned again, and says from what its source was made.
    fs::write(&decisions, "[[decisions]]\nexample = \"penguins_clean/penguins.csv#0\"\naction = \"drop\"\n").unwrap();
    let again = root.path().join("again");
    clean(&Request { card: &out, decisions: &decisions, out: &again, unreviewed: false }).unwrap();
    let derived = Card::open(&again).unwrap().config.derived.unwrap();
    assert_eq!((derived.from.as_str(), derived.before.unwrap().from.as_str()), ("penguins_clean", "penguins"));
}

//! Are texts those that lie in the files and on the lines, and is what is no text found where it is?

use super::*;
use crate::tables::columnar::tests::source;

fn schema(target: bool) -> Schema {
    let target = if target { "target = { name = \"y\", kind = \"class\" }\n" } else { "" };
    toml::from_str(&format!("{target}[features]\ntext = \"text\"")).unwrap()
}

fn write(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn open(path: &Path, config: &str, target: bool) -> Result<Text, Error> {
    Text::open(&[source(path)], &toml::from_str(config).unwrap(), &schema(target), Purpose::Training)
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[test]
fn a_folder_for_each_class_holds_a_file_for_each_text() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("train");
    write(&folder, "pos/2.txt", "größer\nzwei".as_bytes());
    write(&folder, "neg/0.txt", b"\xef\xbb\xbfbad\n");
    write(&folder, "unsup/1.txt", b"?");
    write(&folder, "pos/notes.md", b"no text");
    write(&folder, "pos/9.txt", b"one\nt\xffwo");
    let all = open(&folder, "", true).unwrap();
    assert_eq!(all.len(), 4);
    let some = open(&folder, "classes = [\"neg\", \"pos\"]", true).unwrap();
    assert_eq!((some.len(), some.key(1).unwrap().as_str()), (3, "train/pos/2.txt"));
    let record = some.read(1).unwrap();
    assert_eq!((record.field("text"), record.field("y")), (Some(&text("größer\nzwei")), Some(&text("pos"))));
    assert_eq!((some.field(0, "text").unwrap(), some.field(0, "y").unwrap()), (text("bad\n"), text("neg")));
    let error = some.read(2).unwrap_err();
    assert!(
        error.to_string().contains("9.txt, row 2 (line 2): it is not UTF-8 text") && error.is_bad_example(),
        "{error}"
    );
    let error = open(&folder, "classes = [\"pos\", \"nag\"]", true).err().unwrap();
    assert!(error.to_string().contains("of the class `nag`"), "{error}");
    write(&folder, "0.txt", b"where");
    assert!(open(&folder, "", true).err().unwrap().to_string().contains("beside the folders"));
    assert_eq!(open(&folder, "", false).unwrap().len(), 5);
    assert!(open(root.path().join("train/unsup").as_path(), "", false).unwrap().field(0, "y").is_err());
    std::fs::create_dir(root.path().join("none")).unwrap();
    assert!(matches!(open(&root.path().join("none"), "", false), Err(Error::NoExamples { .. })));
}

#[test]
fn each_line_is_a_text() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "a.txt", "\u{feff}first\r\n\n  \n second \nzw\u{f6}lf".as_bytes());
    let lines = open(&root.path().join("a.txt"), "", false).unwrap();
    let texts: Vec<Value> = (0..lines.len()).map(|row| lines.read(row).unwrap().fields[0].1.clone()).collect();
    assert_eq!(texts, ["first", " second ", "zw\u{f6}lf"].map(text));
    assert_eq!(lines.key(2).unwrap(), "a.txt#2");
    write(root.path(), "b.txt", b"one\n\nt\xffwo\nthree");
    let lines = open(&root.path().join("b.txt"), "", false).unwrap();
    let error = lines.read(1).unwrap_err();
    assert!(error.to_string().contains("b.txt, row 1 (line 3): it is not UTF-8 text"), "{error}");
    assert_eq!(lines.field(2, "text").unwrap(), text("three"));
    let error = open(&root.path().join("a.txt"), "", true).err().unwrap();
    assert!(error.to_string().contains("no line says which class it is"), "{error}");
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_folder_is_refused() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "secret.txt", b"secret");
    write(root.path(), "card/store/2.txt", b"another");
    write(root.path(), "card/data/pos/0.txt", b"text");
    write(root.path(), "card/data/notes.md", b"notes");
    let card = "name = \"c\"\ntitle = \"\"\nsummary = \"\"\nsource = \"\"\nlicence = \"\"\ncitation = \"\"\n[format.text]\n[[files]]\npath = \"data\"\n[schema]\ntarget = { name = \"y\", kind = \"class\" }\n[schema.features]\ntext = \"text\"\n";
    write(root.path(), "card/card.toml", card.as_bytes());
    let records = || crate::formats::open(&crate::Card::open(&root.path().join("card"))?);
    let pos = root.path().join("card/data/pos");
    std::os::unix::fs::symlink(pos.join("0.txt"), pos.join("1.txt")).unwrap();
    std::os::unix::fs::symlink("../../store", pos.join("more")).unwrap();
    let found = records().unwrap();
    assert_eq!((found.len(), found.passed_over().len()), (3, 1));
    for (link, end) in [("9.txt", "secret.txt"), ("more/9.txt", "secret.txt"), ("out", "")] {
        std::os::unix::fs::symlink(root.path().join(end), pos.join(link)).unwrap();
        let error = records().err().unwrap();
        assert!(error.to_string().contains("lies outside of the card's folder"), "{link}: {error}");
        std::fs::remove_file(pos.join(link)).unwrap();
    }
}

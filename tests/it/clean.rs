//! From doubtful labels to a cleaner data set: checked, decided, cleaned, and trained on.

use crate::sandbox::{Sandbox, repository};

/// Penguins of which every twentieth has a wrong species, in the folder `penguins`, with a config.
fn doubtful_penguins() -> Sandbox {
    let sandbox = Sandbox::empty();
    let source = repository().join("datasets/penguins");
    let read = |name: &str| std::fs::read_to_string(source.join(name)).unwrap();
    let without_sum = |card: String| {
        card.lines().filter(|line| !line.starts_with("sha256")).fold(String::new(), |text, line| text + line + "\n")
    };
    let mut table = String::new();
    for (number, line) in read("penguins.csv").lines().enumerate() {
        let wrong = number % 20 == 4;
        let line = match line {
            line if wrong && line.contains("Adelie") => line.replace("Adelie", "Gentoo"),
            line if wrong => line.replace("Gentoo", "Adelie").replace("Chinstrap", "Gentoo"),
            line => line.to_owned(),
        };
        table += &line;
        table.push('\n');
    }
    sandbox.write("penguins/card.toml", without_sum(read("card.toml")));
    sandbox.write("penguins/penguins.csv", table);
    sandbox.write(
        "config.toml",
        "device = \"cpu\"\n[data]\ncard = \"penguins\"\n[model.mlp]\nhidden = [16]\n[train]\nepochs = 2\n[label_errors]\nparts = [\"train\", \"validation\", \"test\"]\n",
    );
    sandbox
}

#[test]
fn wrong_labels_are_proposed_reviewed_mended_and_trained_on() {
    let sandbox = doubtful_penguins();
    let before = sandbox.contents("penguins");
    // 5 % of the labels are wrong, and the gate is at 5 %: it is set lower, so that it surely fails.
    let found = sandbox.run("data check config.toml --set data.gates.label_errors=0.02 --json").expect(3).json();
    let errors = &found["label_errors"];
    let share = errors["noise_rate"].as_f64().unwrap();
    assert!((0.03..0.07).contains(&share), "{share}");
    let finding =
        found["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == "label_errors").unwrap();
    assert!(finding["severity"] == "error" && !finding["examples"].as_array().unwrap().is_empty(), "{finding}");
    let suspects = errors["suspects"].as_array().unwrap().len();
    let page = std::fs::read_to_string(sandbox.path("data-report.html")).unwrap();
    assert!(page.contains("probably wrong") && page.contains("margin"), "the page does not show them");
    let json = std::fs::read_to_string(sandbox.path("data-report.json")).unwrap();
    assert!(json.contains("\"suggested\""));
    sandbox.run("data check config.toml --set data.gates.label_errors=0.2 --set label_errors.folds=0").expect(3);
    sandbox.run("data check config.toml --set label_errors.folds=0").expect(0);
    sandbox.run("data check config.toml --set data.gates.label_errors=0.2").expect(0);

    // Nobody has looked at the proposals yet.
    let clean = "data clean config.toml --decisions data-decisions.toml --out better";
    sandbox.run(clean).refused(2, &["not reviewed", "--unreviewed"]);
    assert!(!sandbox.path("better").exists());
    let proposals = std::fs::read_to_string(sandbox.path("data-decisions.toml")).unwrap();
    assert_eq!(proposals.matches("reviewed = false").count(), suspects);
    sandbox.write("data-decisions.toml", proposals.replace("reviewed = false", "reviewed = true"));
    let cleaned = sandbox.run(&format!("{clean} --json")).expect(0).json();
    assert_eq!((cleaned["before"].as_u64(), cleaned["after"].as_u64()), (Some(344), Some(344)));
    assert_eq!(cleaned["counts"]["relabelled"].as_u64(), Some(suspects as u64));
    assert_eq!(sandbox.contents("penguins"), before, "the source was touched");
    sandbox.run(clean).refused(2, &["not an empty folder"]);

    // Most of what was wrong is right again, and the new data set is one like any other.
    let table = std::fs::read_to_string(sandbox.path("better/penguins.csv")).unwrap();
    let original = std::fs::read_to_string(repository().join("datasets/penguins/penguins.csv")).unwrap();
    let wrong = table.lines().zip(original.lines()).filter(|(a, b)| a != b).count();
    assert!(wrong <= 4, "{wrong} rows are still wrong");
    sandbox.run("train config.toml --run r --set data.card=better").succeeded();
    let lineage = std::fs::read_to_string(sandbox.path("r/lineage.json")).unwrap();
    assert!(lineage.contains("\"card\": \"better\""), "{lineage}");
    // What cannot be meant ends with 2 and names its line.
    sandbox.write("wrong.toml", "[[decisions]]\naction = \"drop\"\nexample = \"penguins/penguins.csv#400\"\n");
    sandbox
        .run("data clean config.toml --decisions wrong.toml --out other")
        .refused(2, &["line 1", "penguins.csv#400"]);
}

#[test]
fn images_in_arrays_are_cleaned_and_trained_on() {
    let sandbox = Sandbox::empty();
    let idx = |shape: &[u32], content: Vec<u8>| {
        let mut bytes = vec![0, 0, 8, shape.len() as u8];
        bytes.extend(shape.iter().flat_map(|size| size.to_be_bytes()));
        bytes.extend(content);
        bytes
    };
    // Sixty pictures of 4 x 4 pixels: class 0 is dark, class 1 is bright.
    let pixels = (0..60).flat_map(|k: usize| (0..16).map(move |at| (k % 2 * 180 + (k * 7 + at * 3) % 50) as u8));
    sandbox.write("squares/images", idx(&[60, 4, 4], pixels.collect()));
    sandbox.write("squares/labels", idx(&[60], (0..60).map(|k| if k == 8 { 1 } else { k % 2 }).collect()));
    let head = "name = \"squares\"\ntitle = \"Squares\"\nsummary = \"made for a test\"\nsource = \"here\"\nlicence = \"CC0\"\ncitation = \"none\"\n";
    sandbox.write(
        "squares/card.toml",
        format!("{head}[format.idx]\n[[files]]\npath = \"images\"\nrole = \"images\"\n[[files]]\npath = \"labels\"\nrole = \"labels\"\n[schema]\ntarget = {{ name = \"bright\", kind = \"class\" }}\n[schema.features]\nimage = \"image\"\n[split.stratified]\nvalidation = 0.2\ntest = 0.2\n"),
    );
    sandbox.write("config.toml", "device = \"cpu\"\n[data]\ncard = \"squares\"\n[model.mlp]\nhidden = [8]\n[train]\nepochs = 2\nbatch_size = 8\n");
    sandbox.write(
        "d.jsonl",
        "{\"example\": \"squares/images#8\", \"action\": \"relabel\", \"label\": \"0\", \"why\": \"it is dark\"}\n{\"example\": \"squares/images#59\", \"action\": \"drop\"}\n",
    );
    let cleaned = sandbox.run("data clean config.toml --decisions d.jsonl --out squares2 --json").expect(0).json();
    assert_eq!((cleaned["after"].as_u64(), cleaned["counts"]["relabelled"].as_u64()), (Some(59), Some(1)));
    let labels = std::fs::read(sandbox.path("squares2/labels")).unwrap();
    assert_eq!(labels, idx(&[59], (0..59).map(|k| k % 2).collect()));
    sandbox.run("train config.toml --run r --set data.card=squares2").succeeded();
}

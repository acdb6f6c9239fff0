//! Does every card say where its data or weights come from, under which licence, and what they must be?

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::{House, check};

fn cards(house: &House) -> Vec<String> {
    let mut complaints = Vec::new();
    for folder in house.entries("datasets/").iter().filter_map(|name| name.strip_suffix('/')) {
        let path = format!("datasets/{folder}/card.toml");
        let Some(Ok(card)) = house.files.get(&path).map(|text| text.parse::<Table>()) else {
            complaints.push(format!("{path} is missing or no TOML"));
            continue;
        };
        let text = |key: &str| card.get(key).and_then(Value::as_str).unwrap_or_default();
        if text("name") != folder {
            complaints.push(format!("{path}: `name` is not that of its folder"));
        }
        for key in ["title", "summary", "source", "licence", "citation"] {
            if text(key).trim().is_empty() {
                complaints.push(format!("{path} states no {key}"));
            }
        }
        let found: BTreeSet<String> = house
            .entries(&format!("datasets/{folder}/"))
            .iter()
            .map(|name| name.trim_end_matches('/').to_owned())
            .collect();
        let mut listed = BTreeSet::from(["card.toml".to_owned()]);
        for file in card.get("files").and_then(Value::as_array).into_iter().flatten() {
            let text = |table: Option<&Value>, key: &str| {
                table.and_then(|table| table.get(key)).and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            let name = text(Some(file), "path");
            // Without a checksum of its own, a file is known by that of the archive from which it is taken.
            let source = file.get("from").and_then(|from| from.get("http"));
            let sum = |text: &str| text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit());
            if !sum(&text(Some(file), "sha256")) && !sum(&text(source, "sha256")) {
                complaints.push(format!("{path} states no SHA-256 of {name}"));
            }
            // What can be fetched need not lie here; no one but its user should have to carry it.
            let address = text(source, "url");
            if file.get("from").is_none() || found.contains(&name) {
                listed.insert(name);
            } else if !address.starts_with("https://") && !address.starts_with("http://") {
                complaints.push(format!("{path} does not say where {name} can be fetched"));
            }
        }
        if found != listed {
            let apart: Vec<&String> = found.symmetric_difference(&listed).collect();
            complaints.push(format!("{path} and its folder differ in {apart:?}"));
        }
        if !house.text("datasets/README.md").contains(&format!("({folder}/card.toml)")) {
            complaints.push(format!("datasets/README.md has no row for {folder}"));
        }
    }
    complaints
}

fn weights(house: &House) -> Vec<String> {
    let mut complaints = Vec::new();
    for folder in house.entries("weights/").iter().filter_map(|name| name.strip_suffix('/')) {
        let path = format!("weights/{folder}/card.toml");
        let Some(Ok(card)) = house.files.get(&path).map(|text| text.parse::<Table>()) else {
            complaints.push(format!("{path} is missing or no TOML"));
            continue;
        };
        let text = |table: &Table, key: &str| table.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        if text(&card, "name") != folder {
            complaints.push(format!("{path}: `name` is not that of its folder"));
        }
        for key in ["title", "summary", "source", "licence", "citation", "architecture"] {
            if text(&card, key).trim().is_empty() {
                complaints.push(format!("{path} states no {key}"));
            }
        }
        let files = card.get("files").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_table);
        for file in files.filter(|file| text(file, "sha256").len() != 64) {
            complaints.push(format!("{path} states no SHA-256 of {}", text(file, "path")));
        }
        if !house.text("weights/README.md").contains(&format!("({folder}/card.toml)")) {
            complaints.push(format!("weights/README.md has no row for {folder}"));
        }
    }
    complaints
}

#[test]
fn cards_of_weights_state_source_licence_and_checksums() {
    check(weights, |house| {
        let card = "weights/minilm_l6/card.toml";
        vec![
            (house.edited(card, "licence = \"Apache 2.0\"", ""), "states no licence"),
            (house.edited(card, "architecture = ", "shape = "), "states no architecture"),
            (house.edited(card, "sha256 = \"07", "sha256 = \"7"), "states no SHA-256 of vocab.txt"),
            (house.edited(card, "name = \"minilm_l6\"", "name = \"mini\""), "`name` is not that of its folder"),
            (house.with("weights/more/model.pth", ""), "weights/more/card.toml is missing"),
            (house.edited("weights/README.md", "(minilm_l6/card.toml)", ""), "no row for minilm_l6"),
        ]
    });
}

#[test]
fn cards_state_source_licence_and_checksums() {
    check(cards, |house| {
        let card = "datasets/penguins/card.toml";
        vec![
            (house.edited(card, "licence = \"CC0 1.0\"", ""), "states no licence"),
            (house.edited(card, "source = ", "citation_of = "), "states no source"),
            (house.edited(card, "sha256 = \"f2", "sha256 = \"g2"), "states no SHA-256 of penguins.csv"),
            (house.edited(card, "name = \"penguins\"", "name = \"birds\""), "`name` is not that of its folder"),
            (house.with("datasets/penguins/more.csv", ""), "differ in [\"more.csv\"]"),
            (house.without("datasets/penguins/penguins.csv"), "differ in [\"penguins.csv\"]"),
            (
                house.without("datasets/mnist/t10k-labels-idx1-ubyte.gz").edited(
                    "datasets/mnist/card.toml",
                    "url = \"https://",
                    "url = \"ftp://",
                ),
                "does not say where t10k-labels-idx1-ubyte.gz can be fetched",
            ),
            (house.with("datasets/birds/birds.csv", ""), "datasets/birds/card.toml is missing"),
            (house.edited("datasets/README.md", "(names/card.toml)", ""), "no row for names"),
        ]
    });
}

//! How is one value of a config changed? By its address: `train.epochs=3`.

use crate::Error;

/// The tables of which only one inner table may stand: naming another one replaces it.
pub(crate) const CHOICES: &[&str] = &["model", "loss", "optimizer", "schedule", "data.split", "data.sampler"];

/// Address and value of `ADDRESS=VALUE`. The value is TOML, or a plain word.
///
/// # Errors
/// [`Error::Setting`] where there is no `=`.
pub fn parse(setting: &str) -> Result<(&str, toml::Value), Error> {
    let Some((address, text)) = setting.split_once('=') else {
        return Err(Error::Setting { text: setting.to_owned(), reason: "there is no `=` in it".into() });
    };
    let value = toml::from_str::<toml::Table>(&format!("value = {text}"))
        .ok()
        .filter(|parsed| parsed.len() == 1)
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| toml::Value::String(text.trim().to_owned()));
    Ok((address.trim(), value))
}

/// Changes one value of a table: `train.epochs=3`; `schedule=cosine` and `schedule.cosine.warmup=0.1` both replace another schedule.
pub(crate) fn set(table: &mut toml::Table, setting: &str) -> Result<(), Error> {
    let (address, value) = parse(setting)?;
    place(table, address, value).map_err(|reason| Error::Setting { text: setting.to_owned(), reason })
}

/// The words of an address; one with dots in it stands between quotation marks.
fn keys(address: &str) -> Vec<&str> {
    let mut quoted = false;
    let split = address.split(|c| {
        quoted ^= c == '"';
        c == '.' && !quoted
    });
    split.map(|key| key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).unwrap_or(key)).collect()
}

/// The value at an address; of a table that is a choice the word of what is chosen.
pub(crate) fn find(table: &toml::Table, address: &str) -> Option<toml::Value> {
    let keys = keys(address);
    let (last, parents) = keys.split_last()?;
    let inner = parents.iter().try_fold(table, |inner, key| inner.get(*key)?.as_table())?;
    match inner.get(*last)? {
        toml::Value::Table(chosen) if CHOICES.contains(&address) => {
            chosen.keys().next().cloned().map(toml::Value::String)
        }
        value => Some(value.clone()),
    }
}

/// Puts a value into a table.
pub(crate) fn place(table: &mut toml::Table, address: &str, mut value: toml::Value) -> Result<(), String> {
    if CHOICES.contains(&address)
        && let toml::Value::String(word) = &value
    {
        let inner = toml::Table::from_iter([(word.clone(), toml::Value::Table(toml::Table::new()))]);
        value = toml::Value::Table(inner);
    }
    let keys = keys(address);
    if keys.iter().any(|key| key.is_empty()) {
        return Err("an address is words with dots between".into());
    }
    let (last, parents) = keys.split_last().ok_or("there is no address before the `=`")?;
    let mut inner = table;
    for (depth, key) in parents.iter().enumerate() {
        let next = inner.entry(*key).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        inner = next.as_table_mut().ok_or_else(|| format!("`{key}` is a value, not a table"))?;
        if CHOICES.contains(&parents[..=depth].join(".").as_str()) {
            inner.retain(|chosen, _| chosen == keys[depth + 1]);
        }
    }
    inner.insert((*last).to_owned(), value);
    Ok(())
}

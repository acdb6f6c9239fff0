//! Can a text be the name of a host, of an image, or of a place in a store?

use crate::Error;

/// The longest name: what `Kubernetes` and `KServe` hang on to it must fit into the 63 characters of a label with it.
const LONGEST: usize = 40;

/// Where `KServe` fetches models from.
const STORES: &[&str] = &["gs", "hdfs", "hf", "http", "https", "oci", "pvc", "s3", "webhdfs"];

const NAME_HINT: &str =
    "choose a name of lower-case letters, digits and hyphens that begins with a letter, such as penguins-mlp";

/// The name of a host that is made of another name: upper case becomes lower, and what divides words becomes a hyphen.
pub fn derived(name: &str) -> Result<String, Error> {
    let mut label = String::new();
    for c in name.trim().chars() {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9') => label.push(c),
            '-' | '_' | '.' | ' ' | '/' | '+' if label.is_empty() || label.ends_with('-') => {}
            '-' | '_' | '.' | ' ' | '/' | '+' => label.push('-'),
            _ => return Err(bad_name(name, format!("`{}` cannot stand in one", c.escape_default()))),
        }
    }
    let label = label.trim_end_matches('-');
    match fault(label) {
        Some(fault) => Err(bad_name(name, fault)),
        None => Ok(label.to_owned()),
    }
}

/// The name itself, if it can be one of a host: a label of DNS as RFC 1035 has it.
pub fn checked(name: &str) -> Result<&str, Error> {
    fault(name).map_or(Ok(name), |fault| Err(bad_name(name, fault)))
}

fn bad_name(name: &str, fault: String) -> Error {
    let shown: String = name.escape_debug().take(80).collect();
    Error::package(format!("a model called `{shown}`"), format!("that can be no name of a host: {fault}"), NAME_HINT)
}

fn fault(name: &str) -> Option<String> {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty() {
        Some("nothing is left of it".into())
    } else if let Some(odd) = name.chars().find(|c| !inside(*c)) {
        Some(format!("`{}` cannot stand in one", odd.escape_default()))
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        Some("it does not begin with a letter".into())
    } else if name.ends_with('-') {
        Some("it ends with a hyphen".into())
    } else if name.len() > LONGEST {
        Some(format!("it has {} characters, and {LONGEST} leave room for what is hung on to it", name.len()))
    } else {
        None
    }
}

/// Whether engines of containers would take an image: `[HOST[:PORT]/]PATH[:TAG][@sha256:DIGEST]`.
pub fn check_image(image: &str) -> Result<(), Error> {
    image_fault(image).map_or(Ok(()), |fault| {
        let shown: String = image.escape_debug().take(200).collect();
        let way_out = "write it as in registry.example.org/models/penguins:1.0, in lower case";
        Err(Error::package(format!("the image `{shown}`"), fault, way_out))
    })
}

fn image_fault(image: &str) -> Option<&'static str> {
    let (rest, digest) = image.split_once('@').map_or((image, None), |(rest, digest)| (rest, Some(digest)));
    let is_digest = |text: &str| {
        text.strip_prefix("sha256:").is_some_and(|digits| {
            digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        })
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return Some("behind `@` there is no digest `sha256:` with 64 digits");
    }
    let last = rest.rfind('/').map_or(0, |place| place + 1);
    let (path, tag) = match rest[last..].find(':') {
        Some(place) => (&rest[..last + place], Some(&rest[last + place + 1..])),
        None => (rest, None),
    };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_tag =
        |tag: &str| tag.len() <= 128 && tag.starts_with(word) && tag.chars().all(|c| word(c) || c == '.' || c == '-');
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Some("behind the last `:` there is no tag of letters, digits, points, underscores and hyphens");
    }
    let parts: Vec<&str> = path.split('/').collect();
    let is_host = parts.len() > 1 && (parts[0].contains(['.', ':']) || parts[0] == "localhost");
    let host_is_good = |host: &str| {
        let (name, port) = host.split_once(':').unwrap_or((host, "1"));
        let good = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
        let label = |label: &str| {
            let end = |c: char| c.is_ascii_alphanumeric();
            label.starts_with(end) && label.ends_with(end) && label.chars().all(good)
        };
        name.split('.').all(label) && port.parse::<u16>().is_ok_and(|port| port > 0)
    };
    if is_host && !host_is_good(parts[0]) {
        return Some("before the first `/` there is no host");
    }
    let end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    // Between letters and digits stands nothing, a point, one or two underscores, or hyphens.
    let is_separator = |text: &str| ["", ".", "_", "__"].contains(&text) || text.bytes().all(|byte| byte == b'-');
    let is_part = |part: &&str| part.starts_with(end) && part.ends_with(end) && part.split(end).all(is_separator);
    if path.len() > 255 || !parts[usize::from(is_host)..].iter().all(is_part) {
        return Some("its path is not made of lower-case letters, digits, points, underscores and hyphens");
    }
    None
}

/// Whether `KServe` could fetch a bundle from there.
pub fn check_storage(uri: &str) -> Result<(), Error> {
    let plain = |c: char| c.is_ascii_graphic() && !"\"'`{}$\\<>".contains(c);
    let good = uri.split_once("://").is_some_and(|(store, place)| {
        STORES.contains(&store) && !place.is_empty() && uri.len() <= 2000 && place.chars().all(plain)
    });
    if good {
        return Ok(());
    }
    let shown: String = uri.escape_debug().take(200).collect();
    Err(Error::package(
        format!("a bundle that lies at `{shown}`"),
        "KServe does not fetch from there",
        format!("name a place in a store, as in s3://models/penguins; it knows {}", STORES.join(", ")),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_hosts_are_made_or_refused_by_name() {
        for (name, expected) in [
            ("Penguins_mlp", "penguins-mlp"),
            ("a", "a"),
            (" a..b__c/d ", "a-b-c-d"),
            ("_x_", "x"),
            (&"a".repeat(40), &"a".repeat(40)),
        ] {
            assert_eq!(derived(name).unwrap(), expected);
            assert_eq!(checked(expected).unwrap(), expected);
        }
        for name in ["", "---", "2nd", "-2", "Übung", "a;b", "a\nb", "a$(x)", "{{ a }}", "\0", "a\"", &"a".repeat(41)]
        {
            let error = derived(name).unwrap_err();
            assert!(
                error.to_string().contains("can be no name of a host") && error.hint().is_some(),
                "{name}: {error}"
            );
        }
        for name in ["A", "a_b", "a-", "-a", "1a", "", "a.b"] {
            assert!(checked(name).unwrap_err().to_string().contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn images_are_those_of_engines() {
        let digest = format!("a@sha256:{}", "0f".repeat(32));
        for image in
            ["a", "a:1", "a/b-c_d.e:V1", "h.org:5000/a/b:1", "localhost/a", &digest, "a__b", "a---b", "x-y.org/a"]
        {
            check_image(image).unwrap();
        }
        for image in [
            "",
            ":",
            "a:",
            "A",
            "a b",
            "a/",
            "/a",
            "a//b",
            "a..b",
            "a._b",
            "a___b",
            "x..y/a",
            "-x.org/a",
            "x.org-/a",
            "a:1:2",
            "a@sha256:0",
            "a@",
            "h.org:x/a",
            "h.org:0/a",
            "a:-1",
            "-a",
            "a\n",
            "a:é",
            "a{{b}}",
            "\"a\"",
            "UP.org/A",
            "@",
            "a:b/c",
        ] {
            assert!(check_image(image).unwrap_err().hint().is_some(), "{image}");
        }
        check_image(&format!("{}:1", "a".repeat(300))).unwrap_err();
    }

    #[test]
    fn stores_are_those_of_kserve() {
        for uri in ["s3://a/b", "pvc://claim/a", "hf://a/b:c", "https://h.org/a?b=c&d=%20"] {
            check_storage(uri).unwrap();
        }
        for uri in ["", "s3://", "ftp://a", "/a", "s3:/a", "s3://a b", "s3://a\nb", "s3://{{a}}"] {
            check_storage(uri).unwrap_err();
        }
    }
}

//! Is a signature that of openssl, and is a bundle refused that nobody, another, or nobody in this form has signed?

use std::fs;
use std::path::PathBuf;

use data_loader::random::Random;

use super::super::tests::{bundle, copy, names, refused, v1};
use super::*;
use crate::bundle::{Bundle, amend, pack};

/// Keys that openssl made for these tests alone, and its signature of the first version's bundle:
/// `(printf 'firebox bundle manifest v1\n'; cat ../bundle_v1/manifest.json) > signed`, and
/// `openssl pkeyutl -sign -inkey openssl_secret.pem -rawin -in signed -out manifest.sig`.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keys").join(name)
}

#[test]
fn a_bundle_signature_is_that_of_openssl() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("bundle");
    copy(&v1(), &folder);
    let by = sign(&folder, &fixture("openssl_secret.pem")).unwrap();
    assert_eq!(by, PublicKey::read(&fixture("openssl_public.pem")).unwrap());
    assert_eq!(verify(&folder, Some(&by)).unwrap(), Signed { by: by.clone(), files: 3 });
    let written: serde_json::Value = serde_json::from_slice(&fs::read(folder.join(SIGNATURE)).unwrap()).unwrap();
    assert_eq!(written["algorithm"], "ed25519");
    assert_eq!(written["public_key"], by.to_string());
    assert_eq!(written["signature"], STANDARD.encode(fs::read(fixture("manifest.sig")).unwrap()));
}

#[test]
fn a_bundle_key_is_written_as_openssl_does_and_never_over_another() {
    let root = tempfile::tempdir().unwrap();
    let (secret, public) = (root.path().join("key"), root.path().join("key.pub"));
    let key = generate_key(&secret, &public).unwrap();
    assert_eq!(PublicKey::read(&public).unwrap(), key);
    // All but the numbers is that of openssl, to the byte.
    for (ours, theirs, header) in [(&secret, "openssl_secret.pem", 16), (&public, "openssl_public.pem", 12)] {
        let read = |path: &Path| {
            let text = fs::read_to_string(path).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            let der = STANDARD.decode(lines[1]).unwrap();
            (lines[0].to_owned(), lines[2].to_owned(), text.ends_with("-----\n"), der[..header].to_vec(), der.len())
        };
        assert_eq!(read(ours), read(&fixture(theirs)));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let before = (fs::read(&secret).unwrap(), fs::read(&public).unwrap());
    let new = root.path().join("new");
    for (secret, public) in [(&secret, &new), (&new, &public), (&secret, &public)] {
        refused(generate_key(secret, public), &["key", "exists"]);
    }
    assert_eq!((fs::read(&secret).unwrap(), fs::read(&public).unwrap()), before);
    // Where one of both cannot be written, there is none.
    refused(generate_key(&new, &root.path().join("nowhere/key.pub")), &["nowhere"]);
    refused(generate_key(&new, &new), &["new", "exists"]);
    assert_eq!(names(root.path()), ["key", "key.pub"]);
    let second = generate_key(&new, &root.path().join("new.pub")).unwrap();
    assert_ne!(second, key);
}

#[test]
fn a_bundle_is_refused_unless_its_key_has_signed_it_as_it_is() {
    let (root, folder) = bundle();
    let key = |name: &str| {
        let secret = root.path().join(name);
        let public = generate_key(&secret, &secret.with_extension("pub")).unwrap();
        (secret, public)
    };
    let ((ours, our_key), (_, other_key)) = (key("ours"), key("theirs"));
    for result in [verify(&folder, None), verify(&folder, Some(&our_key))] {
        assert!(matches!(refused(result, &["bundle is not signed"]), Error::Unsigned { .. }));
    }
    refused(Bundle::read_signed(&folder, &our_key), &["bundle is not signed"]);
    sign(&folder, &ours).unwrap();
    let packed = root.path().join("b.tar.zst");
    pack(&folder, &packed).unwrap();
    for path in [&folder, &packed] {
        let found = Signed { by: our_key.clone(), files: 3 };
        assert_eq!((verify(path, None).unwrap(), verify(path, Some(&our_key)).unwrap()), (found.clone(), found));
        assert_eq!(Bundle::read_signed(path, &our_key).unwrap().manifest.name, "tiny");
        let keys = [our_key.to_string(), other_key.to_string()];
        let error = refused(verify(path, Some(&other_key)), &[&keys[0], &keys[1]]);
        assert!(matches!(error, Error::SignedByOther { .. }));
        refused(Bundle::read_signed(path, &other_key), &[&keys[0], &keys[1]]);
    }

    // A file that was changed together with its hash.
    fs::write(folder.join("golden.json"), "{\"tolerance\": 1e9, \"samples\": []}").unwrap();
    let hash = crate::bundle::hash(&fs::read(folder.join("golden.json")).unwrap());
    amend(&folder, |manifest| drop(manifest.files.insert("golden.json".into(), hash))).unwrap();
    Bundle::read(&folder).unwrap();
    for result in [verify(&folder, None), verify(&folder, Some(&our_key))] {
        let error = refused(result, &["bundle/manifest.json", "bundle/signature.json"]);
        assert!(matches!(error, Error::ChangedSinceSigned { .. }));
    }
    refused(Bundle::read_signed(&folder, &our_key), &["bundle/manifest.json"]);
    sign(&folder, &ours).unwrap();
    verify(&folder, Some(&our_key)).unwrap();

    // What is damaged, or packed, is not signed.
    refused(sign(&packed, &ours), &["b.tar.zst", "folder"]);
    fs::write(folder.join("golden.json"), "{}").unwrap();
    refused(sign(&folder, &ours), &["golden.json", "SHA-256"]);
}

#[test]
fn a_bundle_signature_of_another_kind_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("bundle");
    copy(&v1(), &folder);
    sign(&folder, &fixture("openssl_secret.pem")).unwrap();
    let file = folder.join(SIGNATURE);
    let whole: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    let zeros = STANDARD.encode([0; 32]);
    for (key, value, word) in [
        ("algorithm", "rsa", "algorithm is `rsa`"),
        ("public_key", "!", "base 64"),
        ("public_key", "AAAA", "3 bytes instead of 32"),
        ("signature", "", "0 bytes instead of 64"),
        ("note", "", "note"),
        // A point of small order, for which a signature can be made without a key.
        ("public_key", &zeros, "manifest.json"),
    ] {
        let mut changed = whole.clone();
        changed[key] = value.into();
        fs::write(&file, changed.to_string()).unwrap();
        refused(verify(&folder, None), &["bundle/signature.json", word]);
    }
}

#[test]
fn a_bundle_key_of_another_kind_is_told() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("key.pem");
    let block = |label: &str, body: &str| format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
    // Of the curve P-256, and of X25519, both by openssl.
    let p256 = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE+D1ecMTWld4mm6BNfWy6pUt8DrOv\n\
                yhARXG78Yv4R+Bs1TxI8VpRFqxKQCTvabRDIdLqB5vjxUI+/jinZ/ZSyfg==";
    let x25519 = "MC4CAQAwBQYDK2VuBCIEIHgn1Hrn5LHqG9vOJIrU6UZdU2aNmW6qbNyE58sob6lt";
    let text = |name: &str| fs::read_to_string(fixture(name)).unwrap();
    let (secret, public) = (text("openssl_secret.pem"), text("openssl_public.pem"));
    // What a public key is read from, and what a secret one: the file, and what is said of it.
    for (text, of_public, of_secret) in [
        (String::new(), "no key in it", "no key in it"),
        ("{}".into(), "no key in it", "no key in it"),
        (block("PUBLIC KEY", p256), "Ed25519", "public key"),
        (block("PRIVATE KEY", x25519), "secret key", "Ed25519"),
        (block("PUBLIC KEY", "AAAA"), "Ed25519", "public key"),
        (block("ENCRYPTED PRIVATE KEY", "AAAA"), "secret key", "pass phrase"),
        (block("OPENSSH PRIVATE KEY", "AAAA"), "secret key", "OpenSSH"),
        (block("CERTIFICATE", "AAAA"), "another kind", "another kind"),
        ("ssh-ed25519 AAAA me@here".into(), "OpenSSH", "OpenSSH"),
        (secret.clone(), "it is a secret key, where the public one belongs", ""),
        (public.clone(), "", "it is a public key, where the secret one belongs"),
        (secret.replace("-----END", "----"), "secret key", "Ed25519"),
        (public[..60].into(), "Ed25519", "public key"),
    ] {
        fs::write(&path, &text).unwrap();
        if !of_public.is_empty() {
            refused(PublicKey::read(&path), &["key.pem", of_public]);
        }
        if !of_secret.is_empty() {
            refused(sign(&v1(), &path), &["key.pem", of_secret]);
        }
    }
    refused(PublicKey::read(&root.path().join("gone")), &["gone"]);
    assert!(!v1().join(SIGNATURE).exists());
    // As it comes by mail, or of an editor of Windows.
    fs::write(&path, format!("A key:\r\n\r\n{}", public.replace('\n', "\r\n"))).unwrap();
    PublicKey::read(&path).unwrap();

    let mut random = Random::derive(&[72]);
    for _ in 0..500 {
        let mut bytes = public.clone().into_bytes();
        let place = (random.next_u64() % bytes.len() as u64) as usize;
        bytes[place] ^= 1 << (random.next_u64() % 8);
        fs::write(&path, bytes).unwrap();
        let _ = PublicKey::read(&path);
    }
}

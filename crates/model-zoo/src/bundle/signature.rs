//! Who made a bundle? Whoever has the secret key of the signature in it: Ed25519 (RFC 8032) over `manifest.json`, and so, by the
//! hashes that stand there, over every file.
//!
//! Keys are files as `openssl` writes and reads them: `openssl genpkey -algorithm ed25519` makes a secret one, and
//! `openssl pkey -in SECRET -pubout` the public one that belongs to it.

use std::fmt;
use std::fs;
use std::io::Read;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use data_loader::atomic::write_secret;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, KeypairBytes};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::files::{Files, json};
use super::manifest::MANIFEST;
use crate::{Error, atomic};

/// The file within the bundle.
pub(super) const SIGNATURE: &str = "signature.json";
/// What stands before the manifest in what is signed, so that a signature of these bytes can never be one of something else that
/// the same key signs.
const DOMAIN: &[u8] = b"firebox bundle manifest v1\n";
const ALGORITHM: &str = "ed25519";
/// A file with a key has some hundred bytes.
const LARGEST_KEY: u64 = 64 << 10;

/// What stands in `signature.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    algorithm: String,
    /// The 32 bytes of the public key in base 64. It says whose signature this claims to be, and is no reason to trust it.
    public_key: String,
    /// The 64 bytes of the signature in base 64.
    signature: String,
}

/// The public half of a key, by which signatures are verified. It is shown as its 32 bytes in base 64.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads a public key as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::WrongKey`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = read_pem(path, Half::Public)?;
        let key = VerifyingKey::from_public_key_pem(&text).map_err(|error| wrong(path, not_ours(&error)))?;
        match key.is_weak() {
            true => Err(wrong(path, "anybody can sign for this key".into())),
            false => Ok(Self(key)),
        }
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// What was found out of a bundle that is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// By which key. Whose it is, is known only to whoever has it from its owner.
    pub by: PublicKey,
    /// How many files were held against their hashes.
    pub files: usize,
}

/// Draws a new key and writes its two halves: `secret`, which nobody but its owner may read, and `public`. Neither may be there.
///
/// # Errors
/// [`Error::Io`].
pub fn generate_key(secret: &Path, public: &Path) -> Result<PublicKey, Error> {
    // A key that is gone cannot be drawn again.
    let fresh = |path: &Path| match path.symlink_metadata() {
        Ok(_) => Err(io("create", path, std::io::ErrorKind::AlreadyExists.into())),
        Err(_) => Ok(()),
    };
    fresh(public)?;
    fresh(secret)?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| io("draw a key for", secret, error.into()))?;
    let key = SigningKey::from_bytes(&seed);
    // Without the public half, which older versions of openssl do not expect there.
    let pem =
        KeypairBytes { secret_key: seed, public_key: None }.to_pkcs8_pem(LineEnding::LF).expect("32 bytes are a key");
    write_secret(secret, pem.as_bytes())?;
    let public_pem = key.verifying_key().to_public_key_pem(LineEnding::LF).expect("32 bytes are a key");
    if let Err(error) = fresh(public).and_then(|()| atomic::write_file(public, public_pem.as_bytes())) {
        // Half a pair would be in the way of the next try.
        let _ = fs::remove_file(secret);
        return Err(error);
    }
    Ok(PublicKey(key.verifying_key()))
}

/// Signs the bundle in a folder with the secret key in a file, in the place of an older signature. Every file is verified before.
///
/// # Errors
/// [`Error::Io`], [`Error::WrongKey`], and those of reading a bundle; nothing is signed that is damaged.
pub fn sign(folder: &Path, secret: &Path) -> Result<PublicKey, Error> {
    let text = read_pem(secret, Half::Secret)?;
    let key = SigningKey::from_pkcs8_pem(&text).map_err(|error| wrong(secret, not_ours(&error)))?;
    if folder.is_file() {
        let message = format!("{} is packed, and only a folder can be signed", folder.display());
        return Err(Error::from(data_loader::Error::Mismatch { message, hint: "Unpack it, or pack it anew.".into() }));
    }
    let mut files = Files::in_folder(folder)?;
    files.verify()?;
    let by = PublicKey(key.verifying_key());
    let signature = STANDARD.encode(key.sign(&signed_bytes(&files.manifest_bytes)).to_bytes());
    let written = Written { algorithm: ALGORITHM.into(), public_key: by.to_string(), signature };
    atomic::write_file(&folder.join(SIGNATURE), &json(&written))?;
    Ok(by)
}

/// Verifies every file of the bundle at `path`, a folder or one that was packed, and its signature, which must be one by `key`
/// if that is given.
///
/// # Errors
/// [`Error::Unsigned`]; [`Error::SignedByOther`]; [`Error::ChangedSinceSigned`]; those of reading a bundle.
pub fn verify(path: &Path, key: Option<&PublicKey>) -> Result<Signed, Error> {
    let mut files = Files::to_verify(path)?;
    // The signature first: hashes in a manifest that was changed would lay the blame on files that were not.
    Ok(Signed { by: check(&files, key)?, files: files.verify()? })
}

/// The key by which a manifest is signed, once the signature was found right.
///
/// # Errors
/// [`Error::Unsigned`], [`Error::SignedByOther`], [`Error::ChangedSinceSigned`], [`Error::Damaged`].
pub(super) fn check(files: &Files, key: Option<&PublicKey>) -> Result<PublicKey, Error> {
    let bytes = files.signature.as_ref().ok_or_else(|| Error::Unsigned { path: files.path.clone() })?;
    let file = files.path.join(SIGNATURE);
    let damaged = |reason: String| Error::Damaged { path: file.clone(), reason };
    let written: Written = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    if written.algorithm != ALGORITHM {
        return Err(damaged(format!("its algorithm is `{}`, and not {ALGORITHM}", written.algorithm.escape_debug())));
    }
    let by: [u8; 32] = decode(&written.public_key, "public key").map_err(damaged)?;
    let by = VerifyingKey::from_bytes(&by).map_err(|_| damaged("its public key is none".into()))?;
    let by = PublicKey(by);
    if let Some(key) = key.filter(|key| **key != by) {
        return Err(Error::SignedByOther { path: file, found: by.to_string(), expected: key.to_string() });
    }
    let signature = Signature::from_bytes(&decode(&written.signature, "signature").map_err(damaged)?);
    // Strict: refuses keys for which anybody can sign, and a second signature made of a first.
    match by.0.verify_strict(&signed_bytes(&files.manifest_bytes), &signature) {
        Ok(()) => Ok(by),
        Err(_) => Err(Error::ChangedSinceSigned { manifest: files.path.join(MANIFEST), signature: file }),
    }
}

/// What is signed of a manifest.
fn signed_bytes(manifest: &[u8]) -> Vec<u8> {
    [DOMAIN, manifest].concat()
}

fn decode<const N: usize>(text: &str, what: &str) -> Result<[u8; N], String> {
    let bytes = STANDARD.decode(text).map_err(|error| format!("its {what} is no base 64: {error}"))?;
    bytes.try_into().map_err(|bytes: Vec<u8>| format!("its {what} has {} bytes instead of {N}", bytes.len()))
}

/// Which half of a key belongs somewhere.
#[derive(Clone, Copy, PartialEq)]
enum Half {
    Public,
    Secret,
}

/// The block of text with a key in a file, once its first line says that it is the half that belongs here.
fn read_pem(path: &Path, half: Half) -> Result<String, Error> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|source| io("read", path, source))?;
    file.take(LARGEST_KEY).read_to_end(&mut bytes).map_err(|source| io("read", path, source))?;
    let text = String::from_utf8_lossy(&bytes);
    let block = text.find("-----BEGIN ").map(|begin| &text[begin..]);
    let block = block.and_then(|block| Some((block, block.strip_prefix("-----BEGIN ")?.split_once("-----")?.0)));
    let reason = match (block, half) {
        (Some((block, "PUBLIC KEY")), Half::Public) | (Some((block, "PRIVATE KEY")), Half::Secret) => {
            return Ok(block.to_owned());
        }
        (Some((_, label)), Half::Public) if label.ends_with("PRIVATE KEY") => {
            "it is a secret key, where the public one belongs"
        }
        (Some((_, "PUBLIC KEY")), Half::Secret) => "it is a public key, where the secret one belongs",
        (Some((_, "ENCRYPTED PRIVATE KEY")), _) => "it is locked by a pass phrase",
        (Some((_, "OPENSSH PRIVATE KEY")), _) => "it is written as OpenSSH does, and not as openssl",
        (None, _) if text.starts_with("ssh-") => "it is written as OpenSSH does, and not as openssl",
        (Some(_), _) => "it is of another kind",
        (None, _) => "there is no key in it",
    };
    Err(wrong(path, reason.into()))
}

fn not_ours(error: &impl fmt::Display) -> String {
    format!("it is damaged or not of Ed25519 ({error})")
}

fn wrong(path: &Path, reason: String) -> Error {
    Error::WrongKey { path: path.to_owned(), reason }
}

fn io(doing: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::Io { doing, path: path.to_owned(), source }
}

#[cfg(test)]
#[path = "signature_tests.rs"]
mod tests;

//! Files in the object stores of Amazon (and whatever speaks its protocol), Google and Microsoft.
//!
//! Needs the cargo feature `cloud`. Who may read stands in the environment, under the names that each store's own tools use; a
//! card names neither keys nor a server, so that one from elsewhere cannot have the user's signature sent to a stranger.

use serde::{Deserialize, Serialize};

use super::SourceConfig;
use crate::error::Error;
use crate::fetch::{Context, Target};
use crate::files::pattern;
use crate::registry::Entry;
use crate::sources::Wanted;

/// The entry of the list.
pub const ENTRY: Entry =
    Entry { name: "object_store", summary: "files in an object store: s3://, gs:// or az:// (cargo feature `cloud`)" };

/// `[files.from.object_store]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The address of a file, such as `s3://bucket/folder/file.csv`, or of several, such as `gs://bucket/folder/*.csv`.
    pub url: String,
    /// The region of an S3 bucket, where the environment names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The account of an Azure container, where the environment names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Whether the data is open to all, so that requests are not signed.
    #[serde(default)]
    pub anonymous: bool,
    /// Of how many bytes a file may be.
    #[serde(default = "max_bytes")]
    pub max_bytes: u64,
}

fn max_bytes() -> u64 {
    64 << 30
}

/// Which store an address belongs to, the bucket, and the path in it.
struct Address<'a> {
    scheme: &'a str,
    bucket: &'a str,
    path: &'a str,
}

impl Config {
    pub(super) fn check(&self) -> Result<(), Error> {
        self.address().map(drop)
    }

    fn address(&self) -> Result<Address<'_>, Error> {
        let parts = self.url.split_once("://").and_then(|(scheme, rest)| {
            let (bucket, path) = rest.split_once('/')?;
            (["s3", "gs", "az"].contains(&scheme) && !bucket.is_empty() && !path.is_empty() && !bucket.contains('@'))
                .then_some(Address { scheme, bucket, path })
        });
        parts.ok_or_else(|| Error::Setting {
            key: "files.from.object_store.url".into(),
            message: "is no address of a file in an object store".into(),
            hint: "Write it as in s3://bucket/folder/file.csv; gs:// is Google's and az:// Microsoft's.".into(),
        })
    }

    /// The files that match the pattern in the last part of the address.
    pub(super) fn expand(&self, context: &Context) -> Result<Vec<(String, SourceConfig)>, Error> {
        let address = self.address()?;
        let (folder, name) = address.path.rsplit_once('/').unwrap_or(("", address.path));
        let pattern = pattern::pattern(name)?;
        let found: Vec<String> = cloud::names(self, folder, context)?
            .into_iter()
            .filter(|name| pattern.matches_with(name, pattern::MATCHING))
            .collect();
        if found.is_empty() {
            return Err(Error::NoMatch {
                pattern: address.path.into(),
                place: format!("{}://{}", address.scheme, address.bucket).into(),
            });
        }
        let one = |name: String| {
            let separator = if folder.is_empty() { "" } else { "/" };
            let url = format!("{}://{}/{folder}{separator}{name}", address.scheme, address.bucket);
            (name, SourceConfig::ObjectStore(Self { url, ..self.clone() }))
        };
        Ok(found.into_iter().map(one).collect())
    }

    pub(super) fn fetch(&self, wanted: &Wanted, target: &mut Target, context: &mut Context) -> Result<(), Error> {
        cloud::fetch(self, wanted, target, context)
    }
}

#[cfg(not(feature = "cloud"))]
mod cloud {
    use super::{Config, Context, Error, Target, Wanted};

    fn absent() -> Error {
        Error::Mismatch {
            message: "This program was built without the source `object_store`".into(),
            hint: "Build it with `cargo build --release --features cloud`.".into(),
        }
    }

    pub(super) fn names(_: &Config, _: &str, _: &Context) -> Result<Vec<String>, Error> {
        Err(absent())
    }

    pub(super) fn fetch(_: &Config, _: &Wanted, _: &mut Target, _: &mut Context) -> Result<(), Error> {
        Err(absent())
    }
}

#[cfg(feature = "cloud")]
mod cloud {
    use std::io::{Cursor, Read};
    use std::sync::Arc;

    use object_store::path::Path;
    use object_store::{ClientOptions, GetOptions, GetRange, ObjectStore, aws, azure, gcp};
    use tokio::runtime::Runtime;

    use super::{Address, Config, Context, Error, Target, Wanted};
    use crate::fetch::{self, Opened, Remote, Trouble};

    /// How much is asked for at a time; what has come of a piece is lost when the line breaks.
    const PIECE: u64 = 4 << 20;
    /// How long a piece may take.
    const PATIENCE: std::time::Duration = std::time::Duration::from_mins(2);

    /// What each store's tools read of the environment.
    const AMAZON: &[(&str, aws::AmazonS3ConfigKey)] = &[
        ("AWS_ACCESS_KEY_ID", aws::AmazonS3ConfigKey::AccessKeyId),
        ("AWS_SECRET_ACCESS_KEY", aws::AmazonS3ConfigKey::SecretAccessKey),
        ("AWS_SESSION_TOKEN", aws::AmazonS3ConfigKey::Token),
        ("AWS_DEFAULT_REGION", aws::AmazonS3ConfigKey::DefaultRegion),
        ("AWS_REGION", aws::AmazonS3ConfigKey::Region),
        ("AWS_ENDPOINT_URL", aws::AmazonS3ConfigKey::Endpoint),
    ];
    const GOOGLE: &[(&str, gcp::GoogleConfigKey)] = &[
        ("GOOGLE_APPLICATION_CREDENTIALS", gcp::GoogleConfigKey::ApplicationCredentials),
        ("GOOGLE_SERVICE_ACCOUNT", gcp::GoogleConfigKey::ServiceAccount),
        ("GOOGLE_SERVICE_ACCOUNT_KEY", gcp::GoogleConfigKey::ServiceAccountKey),
    ];
    const MICROSOFT: &[(&str, azure::AzureConfigKey)] = &[
        ("AZURE_STORAGE_ACCOUNT_NAME", azure::AzureConfigKey::AccountName),
        ("AZURE_STORAGE_ACCOUNT_KEY", azure::AzureConfigKey::AccessKey),
        ("AZURE_STORAGE_SAS_TOKEN", azure::AzureConfigKey::SasKey),
        ("AZURE_STORAGE_TENANT_ID", azure::AzureConfigKey::AuthorityId),
        ("AZURE_STORAGE_CLIENT_ID", azure::AzureConfigKey::ClientId),
        ("AZURE_STORAGE_CLIENT_SECRET", azure::AzureConfigKey::ClientSecret),
    ];

    /// A store, and the thread on which its requests run.
    struct Store {
        bucket: Arc<dyn ObjectStore>,
        runtime: Arc<Runtime>,
        shown: String,
    }

    impl Store {
        fn open(config: &Config, context: &Context) -> Result<Self, Error> {
            let Address { scheme, bucket, .. } = config.address()?;
            let shown = config.url.clone();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = Arc::new(runtime.map_err(|source| Error::write(std::path::Path::new(&shown), source))?);
            let client = ClientOptions::new().with_timeout(PATIENCE).with_connect_timeout(context.silence());
            let store: object_store::Result<Arc<dyn ObjectStore>> = match scheme {
                "s3" => {
                    let mut builder =
                        aws::AmazonS3Builder::new().with_bucket_name(bucket).with_skip_signature(config.anonymous);
                    if let Some(region) = &config.region {
                        builder = builder.with_region(region);
                    }
                    for (name, key) in AMAZON {
                        if let Some(value) = context.variable(name) {
                            builder = builder.with_config(*key, value);
                        }
                    }
                    // A server on this machine, as for trying something out, is reached without encryption.
                    let plain =
                        context.variable("AWS_ALLOW_HTTP").is_some_and(|value| value.eq_ignore_ascii_case("true"));
                    builder
                        .with_client_options(client.with_allow_http(plain))
                        .with_retry(no_retry())
                        .build()
                        .map(|store| Arc::new(store) as _)
                }
                "gs" => {
                    let mut builder = gcp::GoogleCloudStorageBuilder::new().with_bucket_name(bucket);
                    builder = builder.with_skip_signature(config.anonymous);
                    for (name, key) in GOOGLE {
                        if let Some(value) = context.variable(name) {
                            builder = builder.with_config(*key, value);
                        }
                    }
                    builder.with_client_options(client).with_retry(no_retry()).build().map(|store| Arc::new(store) as _)
                }
                _ => {
                    let mut builder = azure::MicrosoftAzureBuilder::new().with_container_name(bucket);
                    builder = builder.with_skip_signature(config.anonymous);
                    if let Some(account) = &config.account {
                        builder = builder.with_account(account);
                    }
                    for (name, key) in MICROSOFT {
                        if let Some(value) = context.variable(name) {
                            builder = builder.with_config(*key, value);
                        }
                    }
                    builder.with_client_options(client).with_retry(no_retry()).build().map(|store| Arc::new(store) as _)
                }
            };
            let store = store.map_err(|error| Error::Fetch {
                address: shown.clone(),
                message: format!("the store cannot be reached ({})", first_line(&error)),
                hint: "Credentials and region stand in the environment, as for the store's own tools; open data needs `anonymous = true`.".into(),
                usage: true,
            })?;
            Ok(Self { bucket: store, runtime, shown })
        }
    }

    /// Attempts are counted in one place, which knows when to stop.
    fn no_retry() -> object_store::RetryConfig {
        object_store::RetryConfig { max_retries: 0, ..Default::default() }
    }

    /// What an error says, without the answer of the server behind it, which may be pages of XML.
    fn first_line(error: &object_store::Error) -> String {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        line.chars().take(200).collect()
    }

    /// Whether an error may pass.
    fn trouble(shown: &str, error: &object_store::Error) -> Trouble {
        use object_store::Error::{InvalidPath, NotFound, PermissionDenied, Precondition, Unauthenticated};
        let lasting = |message: &str, hint: &str| {
            Trouble::Lasting(Error::Fetch {
                address: shown.to_owned(),
                message: message.to_owned(),
                hint: hint.to_owned(),
                usage: true,
            })
        };
        match error {
            NotFound { .. } => {
                lasting("the store has no such file", "Compare the address in the card with what the store lists.")
            }
            InvalidPath { .. } => {
                lasting("the path is none that a store can have", "Write it as in s3://bucket/folder/file.csv.")
            }
            PermissionDenied { .. } | Unauthenticated { .. } => lasting(
                "the store does not let you read it",
                "Credentials stand in the environment, as for the store's own tools; open data needs `anonymous = true`.",
            ),
            Precondition { .. } => Trouble::over("the file has changed at its source"),
            error => Trouble::passing(format!("the store does not answer ({})", first_line(error))),
        }
    }

    /// The names of the files directly in `folder`.
    pub(super) fn names(config: &Config, folder: &str, context: &Context) -> Result<Vec<String>, Error> {
        let store = Store::open(config, context)?;
        let prefix = Path::from(folder);
        let listed = store.runtime.block_on(store.bucket.list_with_delimiter(Some(&prefix)));
        let listed = listed.map_err(|error| match trouble(&store.shown, &error) {
            Trouble::Lasting(error) => error,
            Trouble::Passing { reason, .. } => Error::Fetch {
                address: store.shown.clone(),
                message: reason,
                hint: "Try again later.".into(),
                usage: false,
            },
        })?;
        Ok(listed.objects.iter().filter_map(|object| object.location.filename().map(str::to_owned)).collect())
    }

    pub(super) fn fetch(
        config: &Config,
        wanted: &Wanted,
        target: &mut Target,
        context: &mut Context,
    ) -> Result<(), Error> {
        let mut file = RemoteFile { path: Path::from(config.address()?.path), store: Store::open(config, context)? };
        let expected = if wanted.entry.is_pattern() { None } else { wanted.entry.sha256.as_deref() };
        let whole = fetch::download(&mut file, &config.url, expected, config.max_bytes, context)?;
        fetch::copy(&whole, config.max_bytes, target, context)
    }

    struct RemoteFile {
        path: Path,
        store: Store,
    }

    impl Remote for RemoteFile {
        fn shown(&self) -> String {
            self.store.shown.clone()
        }

        fn open(&mut self, from: u64, version: Option<&str>, _: &Context) -> Result<Opened, Trouble> {
            let head = GetOptions { head: true, ..Default::default() };
            let about = self.store.runtime.block_on(self.store.bucket.get_opts(&self.path, head));
            let about = about.map_err(|error| trouble(&self.store.shown, &error))?.meta;
            if from > 0 && version.is_some() && about.e_tag.as_deref() != version {
                return Err(Trouble::over("the file has changed at its source"));
            }
            if from > about.size {
                return Err(Trouble::over("the store has fewer bytes than have come already"));
            }
            let body = Pieces {
                store: Arc::clone(&self.store.bucket),
                runtime: Arc::clone(&self.store.runtime),
                path: self.path.clone(),
                version: about.e_tag.clone(),
                at: from,
                size: about.size,
                piece: Cursor::new(Vec::new()),
            };
            Ok(Opened { from, total: Some(about.size), version: about.e_tag, ends: true, body: Box::new(body) })
        }
    }

    /// A file that is read piece by piece, each of the version that the first answer named.
    struct Pieces {
        store: Arc<dyn ObjectStore>,
        runtime: Arc<Runtime>,
        path: Path,
        version: Option<String>,
        at: u64,
        size: u64,
        piece: Cursor<Vec<u8>>,
    }

    impl Pieces {
        fn next(&self) -> object_store::Result<Vec<u8>> {
            let range = Some(GetRange::Bounded(self.at..self.size.min(self.at + PIECE)));
            let options = GetOptions { range, if_match: self.version.clone(), ..Default::default() };
            self.runtime.block_on(async {
                let bytes = self.store.get_opts(&self.path, options).await?.bytes().await?;
                Ok(bytes.to_vec())
            })
        }
    }

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.piece.position() == self.piece.get_ref().len() as u64 && self.at < self.size {
                let piece = self.next().map_err(|error| std::io::Error::other(first_line(&error)))?;
                self.at += piece.len() as u64;
                self.piece = Cursor::new(piece);
            }
            self.piece.read(buffer)
        }
    }
}

//! How is a request turned down? With a status, and a sentence that says why.

use serde::Serialize;

use crate::Error;
use crate::batching::Unanswered;

/// After how many seconds it is worth asking again, where a moment helps.
const MOMENT: u32 = 1;

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Refusal {
    /// The status of HTTP.
    #[serde(skip)]
    pub status: u16,
    /// What is wrong, in a sentence; every client of the protocol looks for it here.
    pub error: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// After how many seconds the same request may succeed.
    #[serde(skip)]
    pub retry_after: Option<u32>,
    /// The methods that would be answered.
    #[serde(skip)]
    pub allow: Option<&'static str>,
    /// Whether a key would help.
    #[serde(skip)]
    pub authenticate: bool,
}

impl Refusal {
    /// Turned down with a status.
    pub(crate) fn new(status: u16, error: impl Into<String>) -> Self {
        Self { status, error: error.into(), hint: None, retry_after: None, allow: None, authenticate: false }
    }

    /// The request itself is wrong.
    pub(crate) fn bad(error: impl Into<String>) -> Self {
        Self::new(400, error)
    }

    /// The same request may succeed in a moment.
    pub(crate) fn busy(error: impl Into<String>) -> Self {
        Self { retry_after: Some(MOMENT), ..Self::new(503, error) }
    }

    /// No request will succeed any more.
    pub(crate) fn broken(error: impl Into<String>) -> Self {
        Self::new(503, error)
    }

    /// With what to do about it.
    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

/// The beginning of a text of any length that a client sent.
pub(crate) fn shown(text: &str) -> String {
    const MOST: usize = 60;
    let mut shown: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push_str(" ...");
    }
    shown
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        // The weights are finite, and golden samples were answered by finite numbers: what came in is too large.
        if let Error::NotFinite { .. } = error {
            return Self::bad(error.to_string())
                .with_hint("its numbers are too large for the network; are they scaled?");
        }
        let status = if error.is_usage() { 400 } else { 500 };
        Self { hint: error.hint(), ..Self::new(status, error.to_string()) }
    }
}

impl From<Unanswered> for Refusal {
    fn from(why: Unanswered) -> Self {
        match why {
            Unanswered::Full => Self::busy("too many requests wait already"),
            Unanswered::Late => Self::new(504, "its time was over before its turn came")
                .with_hint("ask with more time, or at another moment"),
            Unanswered::Broken => Self::broken("the model broke down; the server must be started again"),
            Unanswered::Failed(error) => (*error).into(),
        }
    }
}

//! What does a browser find? The playground: a page that asks the models, and needs nothing from elsewhere.

/// A file of the page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Where it is found.
    pub path: &'static str,
    /// What it is, as HTTP says it.
    pub kind: &'static str,
    pub text: &'static str,
}

/// A module of the page's script.
macro_rules! script {
    ($name:literal) => {
        Page {
            path: concat!("/playground/", $name),
            kind: "text/javascript; charset=utf-8",
            text: include_str!(concat!("playground/", $name)),
        }
    };
}

static PAGES: &[Page] = &[
    Page { path: "/", kind: "text/html; charset=utf-8", text: include_str!("playground/index.html") },
    Page { path: "/playground/style.css", kind: "text/css; charset=utf-8", text: include_str!("playground/style.css") },
    script!("answers.js"),
    script!("card.js"),
    script!("elements.js"),
    script!("explained.js"),
    script!("feedback.js"),
    script!("pictures.js"),
    script!("playground.js"),
    script!("prompts.js"),
    script!("records.js"),
    script!("server.js"),
    script!("snippets.js"),
    script!("tensors.js"),
];

/// The file at a path.
pub(super) fn at(path: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.path == path)
}

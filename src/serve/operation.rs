//! What an operation of the API is: the router, the checks of access and the description are all made from this.

/// The methods that are served. HEAD is answered wherever GET is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
}

impl Verb {
    /// As the description writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::Post => "post",
            Self::Put => "put",
        }
    }
}

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody.
    Open,
    /// On loopback everybody, elsewhere who has a token.
    Read,
    /// Who has the token that may change something.
    Change,
    /// Who signs what is sent.
    Signed,
}

/// The type of a parameter's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Whole { min: i64, max: i64 },
    Flag,
}

/// A part of a path, or of what stands behind the `?`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parameter {
    pub name: &'static str,
    pub in_path: bool,
    pub kind: Kind,
    pub about: &'static str,
}

/// What an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// JSON after this schema of the description.
    Json(&'static str),
    /// Text of another type.
    Text(&'static str),
}

/// An answer that is no problem.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reply {
    pub status: u16,
    pub about: &'static str,
    pub content: Content,
}

/// What runs for an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Page,
    Health,
    Ready,
    Metrics,
    Description,
    Marts,
    Mart,
    Rows,
    Stats,
    History,
    Versions,
    Preview,
    Refresh,
    RefreshMany,
    Runs,
    Run,
    Cancel,
    Plan,
    Drift,
    Approve,
    Scheduler,
    Suspend,
    Resume,
    Schedule,
    Webhook,
}

/// One row of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub call: Call,
    /// Its name in the description.
    pub id: &'static str,
    pub verb: Verb,
    pub path: &'static str,
    pub access: Access,
    pub about: &'static str,
    pub parameters: &'static [Parameter],
    /// Parameters of other names are columns of the mart.
    pub filters: bool,
    /// The schema of what is sent, where something is; it may always be left out but where `needs_body`.
    pub body: Option<&'static str>,
    pub needs_body: bool,
    pub replies: &'static [Reply],
    /// The problems that may come instead, beside those of every operation.
    pub problems: &'static [u16],
}

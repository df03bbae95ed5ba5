//! Every operation there is.

use super::filter::{DEFAULT_LIMIT, MAX_LIMIT};
use super::operation::{Access, Call, Content, Kind, Operation, Parameter, Reply, Verb};

const MART: Parameter = Parameter {
    name: "mart",
    in_path: true,
    kind: Kind::Text,
    about: "a mart's name, or schema.name outside the project's default schema",
};
const RUN: Parameter =
    Parameter { name: "run", in_path: true, kind: Kind::Whole { min: 0, max: i64::MAX }, about: "a run's number" };
const FINGERPRINT: Parameter = Parameter {
    name: "fingerprint",
    in_path: true,
    kind: Kind::Text,
    about: "the pending plan's fingerprint, or its first digits (8 at least)",
};
const SELECT_MARTS: Parameter =
    Parameter { name: "select", in_path: false, kind: Kind::Text, about: "a selector: only these marts" };
const STATS: Parameter =
    Parameter { name: "stats", in_path: false, kind: Kind::Flag, about: "true: with rows and sizes" };
const WAIT: Parameter =
    Parameter { name: "wait", in_path: false, kind: Kind::Flag, about: "true: the answer comes when the runs ended" };
const TIMEOUT: Parameter = Parameter {
    name: "timeout",
    in_path: false,
    kind: Kind::Whole { min: 0, max: 3_600 },
    about: "so many seconds are waited at most; then the answer is that of wait=false (default 600)",
};
const RUNS: Parameter = limit("so many runs at most, newest first", 1_000);

const fn limit(about: &'static str, max: i64) -> Parameter {
    Parameter { name: "limit", in_path: false, kind: Kind::Whole { min: 0, max }, about }
}

const fn ok(schema: &'static str, about: &'static str) -> Reply {
    Reply { status: 200, about, content: Content::Json(schema) }
}

const fn accepted(schema: &'static str, about: &'static str) -> Reply {
    Reply { status: 202, about, content: Content::Json(schema) }
}

/// A read without parameters, to be told apart by the rest.
const READ: Operation = Operation {
    call: Call::Page,
    id: "",
    verb: Verb::Get,
    path: "/",
    access: Access::Read,
    about: "",
    parameters: &[],
    filters: false,
    body: None,
    needs_body: false,
    replies: &[],
    problems: &[304, 503, 504],
};

/// A change of one mart.
const CHANGE: Operation = Operation {
    verb: Verb::Post,
    access: Access::Change,
    parameters: &[MART],
    problems: &[404, 409, 503, 504],
    ..READ
};

/// A read of one mart.
const OF_MART: Operation = Operation { parameters: &[MART], problems: &[304, 404, 503, 504], ..READ };

/// The table.
pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        call: Call::Page,
        id: "page",
        path: "/",
        about: "the marts, for people",
        replies: &[Reply { status: 200, about: "a page", content: Content::Text("text/html; charset=utf-8") }],
        ..READ
    },
    Operation {
        call: Call::Health,
        id: "health",
        path: "/healthz",
        access: Access::Open,
        about: "whether the process works, and how the marts are",
        replies: &[ok("Health", "it works")],
        problems: &[],
        ..READ
    },
    Operation {
        call: Call::Ready,
        id: "ready",
        path: "/readyz",
        access: Access::Open,
        about: "whether PostgreSQL is reached, the registry read and leadership known",
        replies: &[ok("Ready", "ready, as leader or follower")],
        problems: &[503],
        ..READ
    },
    Operation {
        call: Call::Metrics,
        id: "metrics",
        path: "/metrics",
        access: Access::Open,
        about: "metrics",
        replies: &[Reply { status: 200, about: "OpenMetrics", content: Content::Text(super::health::OPENMETRICS) }],
        problems: &[],
        ..READ
    },
    Operation {
        call: Call::Description,
        id: "description",
        path: "/api/v1/openapi.json",
        about: "this description",
        replies: &[ok("Description", "OpenAPI 3.1")],
        problems: &[304],
        ..READ
    },
    Operation {
        call: Call::Marts,
        id: "marts",
        path: "/api/v1/marts",
        about: "the marts",
        parameters: &[SELECT_MARTS, STATS],
        replies: &[ok("Marts", "as `datamart list`")],
        ..READ
    },
    Operation {
        call: Call::Mart,
        id: "mart",
        path: "/api/v1/marts/{mart}",
        about: "one mart",
        replies: &[ok("Mart", "as `datamart status` has it")],
        ..OF_MART
    },
    Operation {
        call: Call::Rows,
        id: "rows",
        path: "/api/v1/marts/{mart}/rows",
        about: "rows of a mart; any other parameter is a column: `?amount=gte.10&amount=lt.20` (eq neq gt gte lt lte in is, of text like and ilike); \
                a column whose name is taken stands in double quotes",
        parameters: &[
            MART,
            Parameter { name: "select", in_path: false, kind: Kind::Text, about: "these columns: `a,b`" },
            Parameter {
                name: "order",
                in_path: false,
                kind: Kind::Text,
                about: "`a.desc,b`, with `.nullsfirst` or `.nullslast`",
            },
            Parameter {
                name: "limit",
                in_path: false,
                kind: Kind::Whole { min: 0, max: MAX_LIMIT },
                about: "so many rows at most (default 100)",
            },
            Parameter {
                name: "offset",
                in_path: false,
                kind: Kind::Whole { min: 0, max: i64::MAX },
                about: "so many rows are passed by",
            },
        ],
        filters: true,
        replies: &[ok("Rows", "the rows")],
        problems: &[304, 404, 409, 503, 504],
        ..OF_MART
    },
    Operation {
        call: Call::Stats,
        id: "stats",
        path: "/api/v1/marts/{mart}/stats",
        about: "one mart, looked at closely: its rows are counted",
        replies: &[ok("Mart", "as `datamart stats`")],
        problems: &[304, 404, 409, 503, 504],
        ..OF_MART
    },
    Operation {
        call: Call::History,
        id: "history",
        path: "/api/v1/marts/{mart}/history",
        about: "the runs of one mart",
        parameters: &[MART, RUNS],
        replies: &[ok("Runs", "as `datamart history`")],
        ..OF_MART
    },
    Operation {
        call: Call::Versions,
        id: "versions",
        path: "/api/v1/marts/{mart}/versions",
        about: "the versions of a mart, the newest first",
        replies: &[ok("Versions", "as `datamart versions`")],
        problems: &[304, 404, 409, 503, 504],
        ..OF_MART
    },
    Operation {
        call: Call::Preview,
        id: "preview",
        path: "/api/v1/marts/{mart}/preview",
        about: "some rows of a mart, and how many there are",
        parameters: &[MART, limit("so many rows at most (default 10)", DEFAULT_LIMIT)],
        replies: &[ok("Preview", "as `datamart preview`")],
        problems: &[304, 404, 409, 503, 504],
        ..OF_MART
    },
    Operation {
        call: Call::Refresh,
        id: "refresh",
        path: "/api/v1/marts/{mart}/refresh",
        about: "refreshes a mart",
        parameters: &[MART, WAIT, TIMEOUT],
        body: Some("RefreshOne"),
        replies: &[ok("Results", "the runs, ended"), accepted("Requested", "the runs that were asked for")],
        ..CHANGE
    },
    Operation {
        call: Call::RefreshMany,
        id: "refresh_many",
        path: "/api/v1/refresh",
        about: "refreshes the marts of a selector, or all, in order; those that are refreshed already are named, not run again; \
                a selector that stands for none is refused, but for those of states",
        parameters: &[WAIT, TIMEOUT],
        body: Some("RefreshMany"),
        replies: &[ok("Results", "the runs, ended"), accepted("Requested", "the runs that were asked for")],
        problems: &[409, 503, 504],
        ..CHANGE
    },
    Operation {
        call: Call::Runs,
        id: "runs",
        path: "/api/v1/runs",
        about: "the runs of all marts",
        parameters: &[RUNS],
        replies: &[ok("Runs", "as `datamart history`")],
        ..READ
    },
    Operation {
        call: Call::Run,
        id: "run",
        path: "/api/v1/runs/{run}",
        about: "one run",
        parameters: &[RUN],
        replies: &[ok("Run", "the run")],
        problems: &[304, 404, 503, 504],
        ..READ
    },
    Operation {
        call: Call::Cancel,
        id: "cancel",
        path: "/api/v1/runs/{run}/cancel",
        about: "stops a run: one that waits never begins, one at work is cancelled on the server",
        parameters: &[RUN],
        replies: &[ok("Run", "it had not begun, and will not"), accepted("Run", "its session was told to stop")],
        ..CHANGE
    },
    Operation {
        call: Call::Plan,
        id: "plan",
        path: "/api/v1/plan",
        about: "the plan that waits for approval, or an empty one; and how the last revision went",
        replies: &[ok("Plan", "a plan as `datamart plan` prints it, with `reconcile`")],
        ..READ
    },
    Operation {
        call: Call::Drift,
        id: "drift",
        path: "/api/v1/drift",
        about: "what was found to have changed behind the manifests' back",
        replies: &[ok("Drift", "as `datamart drift`")],
        ..READ
    },
    Operation {
        call: Call::Approve,
        id: "approve",
        path: "/api/v1/plans/{fingerprint}/approve",
        about: "lets the daemon apply the pending plan of that fingerprint, hazards included",
        parameters: &[FINGERPRINT],
        replies: &[accepted("Approved", "approved")],
        ..CHANGE
    },
    Operation {
        call: Call::Scheduler,
        id: "scheduler",
        path: "/api/v1/scheduler",
        about: "who leads, what runs, what waits, what is due, what is suspended",
        replies: &[ok("Scheduler", "the scheduler")],
        ..READ
    },
    Operation {
        call: Call::Suspend,
        id: "suspend",
        path: "/api/v1/marts/{mart}/suspend",
        about: "stops the schedule of a mart until it is resumed",
        replies: &[ok("Overrides", "what holds now")],
        ..CHANGE
    },
    Operation {
        call: Call::Resume,
        id: "resume",
        path: "/api/v1/marts/{mart}/resume",
        about: "takes a suspension back",
        replies: &[ok("Overrides", "what holds now")],
        ..CHANGE
    },
    Operation {
        call: Call::Schedule,
        id: "schedule",
        verb: Verb::Put,
        path: "/api/v1/marts/{mart}/schedule",
        about: "another schedule, until the mart's own manifest changes; null takes it back",
        body: Some("Schedule"),
        needs_body: true,
        replies: &[ok("Overrides", "what holds now")],
        ..CHANGE
    },
    Operation {
        call: Call::Webhook,
        id: "webhook",
        path: "/webhook",
        access: Access::Signed,
        about: "look at git now; signed with HMAC-SHA256 in X-Hub-Signature-256",
        parameters: &[],
        body: Some("Anything"),
        replies: &[accepted("Looked", "the daemon that leads looks")],
        problems: &[503, 504],
        ..CHANGE
    },
];

//! `graph`: who reads what, drawn.

use std::collections::BTreeSet;

use datamart::manifest::Desired;
use datamart::observe::{self, Live, States};
use datamart::state::{QName, Selector};

use super::Exit;
use super::args::{Globals, GraphArgs};
use super::context::{self, Context};
use super::error::Result;
use super::format::Form;
use super::print::{self, Style};
use super::report;
use super::select;

/// Draws the marts and what they read; with a database as it is there, without one as the manifests say.
pub async fn run(args: &GraphArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let desired = context::load(globals, style)?;
    let mut graph = if is_named(globals, &desired) {
        let reach = context::reach(globals, style, &desired).await?;
        let conn = reach.endpoint.session("graph").await?;
        let mut context = Context { style, desired, whole: true, reach, conn };
        let seen = context.glance().await?;
        let selected = match &args.select {
            Some(text) => Some(context.select(&seen, text).await?),
            None => None,
        };
        let marts = context.status(&seen).await?;
        let graph = observe::graph(&context.desired, Some(Live { actual: &seen.actual, marts: &marts }));
        context.close().await?;
        (graph, selected)
    } else {
        print::note(
            style,
            "No database is named: drawn from the manifests alone, without types of sources and status.",
        );
        let selected = args.select.as_deref().map(|text| declared(&desired, text, style)).transpose()?;
        (observe::graph(&desired, None), selected)
    };
    if let (graph, Some(selected)) = &mut graph {
        graph.keep(selected);
    }
    show(&graph.0, globals.format, style);
    Ok(Exit::Done)
}

/// Whether a database is named anywhere, be it wrongly.
fn is_named(globals: &Globals, desired: &Desired) -> bool {
    let project = &desired.project;
    globals.database_url.is_some()
        || std::env::var("DATABASE_URL").is_ok()
        || project.database.url.is_some()
        || !project.database.unset.is_empty()
        || project.embedded.is_some()
}

/// The marts that a selector stands for, as the manifests say.
fn declared(desired: &Desired, text: &str, style: Style) -> Result<BTreeSet<QName>> {
    let selector = Selector::parse(text).map_err(select::not_selected)?;
    if selector.needs_states() {
        let failed = select::not_selected("state: compares with the database, and none is named".to_owned());
        return Err(failed.help("give --database-url or set DATABASE_URL"));
    }
    let nodes = observe::nodes(desired, None, &States::new());
    select::selected(&selector, text, &nodes, &desired.project.schema, style)
}

fn show(graph: &observe::Graph, form: Form, style: Style) {
    match form {
        Form::Json => print::json(graph),
        Form::Dot => print::out(&report::graph::dot(graph)),
        Form::Markdown => print::out(&report::graph::markdown(graph)),
        Form::Text | Form::Mermaid => {
            let drawing = report::graph::mermaid(graph);
            if !report::graph::is_drawn(graph, &drawing) {
                let limit = "Mermaid draws no more than 500 edges and 50,000 characters unless it is told to: \
                             see --select and --format dot.";
                print::note(style, limit);
            }
            print::out(&drawing);
        }
    }
}

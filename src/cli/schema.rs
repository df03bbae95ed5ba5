//! `schema`: what editors need to know about the files.

use datamart::manifest::schema;
use serde_json::json;

use super::Exit;
use super::args::{SchemaArgs, SchemaOf};
use super::error::Result;
use super::print;

/// Prints a JSON Schema, or both in one object.
pub fn run(args: &SchemaArgs) -> Result<Exit> {
    print::json(&match args.of {
        Some(SchemaOf::Mart) => schema::mart(),
        Some(SchemaOf::Project) => schema::project(),
        None => json!({ "mart": schema::mart(), "project": schema::project() }),
    });
    Ok(Exit::Done)
}

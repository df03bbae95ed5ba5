//! `init`: a small working project.

use std::fs;
use std::path::{Path, PathBuf};

use datamart::manifest::schema;
use serde_json::{Value, json};

use super::Exit;
use super::args::{Globals, InitArgs};
use super::error::{CommandError, Result};
use super::print::{self, Style};

/// Below the manifests' folder.
const FILES: [(&str, &str); 4] = [
    ("project.toml", include_str!("init/project.toml")),
    ("seed.sql", include_str!("init/seed.sql")),
    ("daily_sales.toml", include_str!("init/daily_sales.toml")),
    ("top_products.toml", include_str!("init/top_products.toml")),
];

/// Writes it; nothing that is there already is touched.
pub fn run(args: &InitArgs, globals: &Globals, style: Style) -> Result<Exit> {
    let root = args.target.clone().unwrap_or_else(|| PathBuf::from("."));
    let folder = root.join(&globals.dir);
    let name = project(&root);
    let mut files: Vec<(PathBuf, String)> =
        FILES.iter().map(|(file, text)| (folder.join(file), text.replace("{project}", &name))).collect();
    files.push((folder.join(".schema/mart.json"), pretty(&schema::mart())));
    files.push((folder.join(".schema/project.json"), pretty(&schema::project())));
    let there = files.iter().map(|(path, _)| path).find(|path| path.exists());
    if let Some(path) = there {
        return Err(CommandError::input(format!("{} is there already", path.display()))
            .help("`init` overwrites nothing; name another folder: `datamart init DIR`"));
    }
    let ignore = root.join(".gitignore");
    if !ignore.exists() {
        files.push((ignore, ".datamart/\n".to_owned()));
    }
    for (path, text) in &files {
        write(path, text)?;
    }
    if style.json() {
        let written: Vec<String> = files.iter().map(|(path, _)| path.display().to_string()).collect();
        print::json(&json!({ "written": written }));
    } else {
        print::out(&told(&root, &globals.dir));
    }
    Ok(Exit::Done)
}

/// What the project is called: as its folder is. Two of one name take each other's marts for their own, in one database.
fn project(root: &Path) -> String {
    let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
    let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    let name: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    if name.is_empty() { "shop".to_owned() } else { name }
}

fn write(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| CommandError::io("create", folder, &error))?;
    }
    fs::write(path, text).map_err(|error| CommandError::io("write", path, &error))
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

fn told(root: &Path, dir: &Path) -> String {
    let enter = match root == Path::new(".") {
        true => String::new(),
        false => format!("  cd {}\n", root.display()),
    };
    let program = match dir == Path::new("datamarts") {
        true => "datamart".to_owned(),
        false => format!("datamart --dir {}", dir.display()),
    };
    format!(
        "Wrote a project with two marts to {}. It uses a private PostgreSQL until DATABASE_URL names yours.\n\n\
         Next:\n{enter}  {program} plan       what would happen, and why\n  {program} apply      make it so\n  \
         {program} status     look at it\n",
        root.join(dir).display()
    )
}

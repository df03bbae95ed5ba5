//! Reading the folder, and showing what is wrong in it.

use super::{Folder, ManifestError, view};
use crate::manifest::render;

#[test]
fn hidden_and_other_files_are_passed_by() {
    let mart = view("");
    let folder = Folder::new(&[
        ("a.toml", &mart),
        ("sub/deep/b.toml", &mart),
        (".hidden.toml", "nonsense"),
        (".git/c.toml", "nonsense"),
        ("readme.md", "nonsense"),
        ("sub/d.sql", "nonsense"),
    ]);
    let desired = folder.desired();
    let paths: Vec<&str> = desired.marts.iter().map(|m| m.path.as_str()).collect();
    assert_eq!(paths, ["a.toml", "sub/deep/b.toml"]);
    assert_eq!(desired.marts[0].file, folder.dir.path().join("a.toml"));
}

#[test]
fn the_projects_file_stands_at_the_top() {
    let folder = Folder::new(&[("sub/project.toml", "[project]\nname = 'p'\n"), ("sub/more/project.toml", &view(""))]);
    assert_eq!(
        folder.told(),
        [
            "sub/project.toml the project's file stands in a folder of marts (move it to the top of the folder, as project.toml)"
        ]
    );
}

#[test]
fn a_missing_folder_is_not_an_empty_one() {
    let mut folder = Folder::new(&[]);
    assert!(folder.desired().marts.is_empty());
    folder.options.dir = folder.dir.path().join("none");
    assert!(matches!(folder.load(), Err(ManifestError::Read { path, .. }) if path.ends_with("none")));
}

#[test]
fn a_file_that_cannot_be_read_is_one_problem_of_many() {
    let folder = Folder::new(&[("b.toml", "nonsense = 1")]);
    std::os::unix::fs::symlink("nowhere", folder.dir.path().join("a.toml")).unwrap();
    let Err(ManifestError::Invalid { problems }) = folder.load() else { panic!("two files cannot be used") };
    let told = |file: &str| problems.iter().find(|problem| problem.file.ends_with(file)).map(|p| p.message.as_str());
    assert_eq!(told("a.toml"), Some("cannot read the file: no such file"));
    assert!(told("b.toml").is_some());
}

#[test]
fn links_are_followed_once() {
    let folder = Folder::new(&[("sub/a.toml", &view(""))]);
    std::os::unix::fs::symlink("..", folder.dir.path().join("sub/loop")).unwrap();
    assert_eq!(folder.desired().marts.len(), 1);
}

#[test]
fn what_is_not_text_is_told() {
    let folder = Folder::new(&[]);
    std::fs::write(folder.dir.path().join("a.toml"), b"type = 'view'\nname = '\xff'\n").unwrap();
    assert_eq!(folder.told(), ["a.toml:2:9 cannot read the file: it is not UTF-8 text «» (save it as UTF-8)"]);
}

#[test]
fn many_files_are_read_by_several_threads() {
    let files: Vec<(String, String)> = (0..300)
        .map(|i| (format!("m{i:03}.toml"), format!("type = 'view'\nquery = 'SELECT * FROM m{:03}'\n", i + 1)))
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let desired = Folder::new(&files).desired();
    assert_eq!(desired.marts.len(), 300);
    assert_eq!(desired.marts[0].mart.name.name, "m299");
    assert_eq!(desired.marts[299].mart.name.name, "m000");
}

#[test]
fn problems_for_people() {
    let folder =
        Folder::new(&[("a.toml", "type = \"view\"\nquery = \"\"\"\nSELECT año\nFROM b FOR SHARE\n\"\"\"\ntgas = 1\n")])
            .with("DATAMART_KEEP_VERSIONS", "none");
    let Err(ManifestError::Invalid { mut problems }) = folder.load() else {
        panic!("accepted");
    };
    for problem in &mut problems {
        if problem.place.is_some() {
            problem.file = "marts/a.toml".into();
        }
    }
    insta::assert_snapshot!(render(&problems, false), @r#"
    error: the environment variable DATAMART_KEEP_VERSIONS is "none", which is not a number of versions, at least 1
     |
     = help: change it, or unset it

    error: a mart's query must not lock rows
     --> marts/a.toml:4:8
      |
    4 | FROM b FOR SHARE
      |        ^^^^^^^^^
      |
      = help: remove the FOR UPDATE or FOR SHARE clause

    error: unknown key `tgas`
     --> marts/a.toml:6:1
      |
    6 | tgas = 1
      | ^^^^
      |
      = help: did you mean `tags`?
    "#);
    assert!(render(&problems, true).contains("\u{1b}["));
}

use super::*;

fn source(url: &str, branch: &str, path: &str) -> Source {
    let (url, branch, path) = (url.to_owned(), branch.to_owned(), path.to_owned());
    Source::Git { url, branch, path, interval: Duration::from_secs(60), home: PathBuf::from("/nowhere") }
}

#[test]
fn nothing_given_is_taken_for_an_option_or_a_command() {
    let ok = |url, branch, path| Repository::new(&source(url, branch, path), &BTreeMap::new()).is_ok();
    assert!(ok("https://host/marts.git", "feature/one", "marts/shop"));
    assert!(ok("git@host:marts.git", "main", ""));
    for (url, branch, path) in [
        ("--upload-pack=touch /tmp/x", "main", ""),
        ("ext::sh -c id", "main", ""),
        ("", "main", ""),
        ("https://host/x", "--force", ""),
        ("https://host/x", "a..b", ""),
        ("https://host/x", "a b", ""),
        ("https://host/x", "a:b", ""),
        ("https://host/x", "", ""),
        ("https://host/x", "HEAD", ""),
        ("https://host/x", "main", "../etc"),
        ("https://host/x", "main", "/etc"),
    ] {
        assert!(!ok(url, branch, path), "{url} {branch} {path}");
    }
}

#[test]
fn what_git_says_has_no_password() {
    let url = "https://ana:s3cret@host/marts.git";
    let repository = Repository::new(&source(url, "main", ""), &BTreeMap::new()).ok().flatten().unwrap();
    let said = format!("fatal: unable to access '{url}/': s3cret is wrong for ana:s3cret");
    let told = repository.redacted(&said);
    assert_eq!(told, "fatal: unable to access 'https://host/marts.git/': *** is wrong for ***");
    assert_eq!(repository.label(), "https://host/marts.git");
}

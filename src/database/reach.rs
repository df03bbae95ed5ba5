//! Which database a command works on.

use std::path::{Path, PathBuf};

use crate::manifest::Project;

use super::{DatabaseError, Endpoint, embedded, embedded::Embedded};

/// Where the address came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `--database-url`.
    Flag,
    /// `DATABASE_URL`.
    Environment,
    /// `url` in project.toml.
    ProjectFile,
    /// Our own server.
    Embedded,
}

/// A database, and the embedded server behind it, if it is that.
#[derive(Debug)]
pub struct Reach {
    /// Where it is.
    pub endpoint: Endpoint,
    /// Our own server; it runs while this is held.
    pub embedded: Option<Embedded>,
    /// Where the address came from.
    pub origin: Origin,
}

impl Reach {
    /// Ends the use of the database: the embedded server stops with its last user.
    ///
    /// # Errors
    /// [`DatabaseError::Embedded`] where it does not stop.
    pub async fn close(self) -> Result<(), DatabaseError> {
        match self.embedded {
            Some(server) => server.stop().await,
            None => Ok(()),
        }
    }
}

/// Finds the database: `--database-url`, `DATABASE_URL`, the project's `url`, the embedded server, in this order.
/// `dir` is the manifests' folder; the embedded server's data stands beside it.
///
/// # Errors
/// [`DatabaseError::Config`] where none of the four is there, or one is given but empty; what [`embedded::start`] says.
pub async fn resolve(
    cli_url: Option<&str>,
    env_url: Option<&str>,
    project: &Project,
    dir: &Path,
) -> Result<Reach, DatabaseError> {
    let given = [(cli_url, Origin::Flag), (env_url, Origin::Environment)];
    for (url, origin) in given {
        if let Some(url) = url {
            let endpoint = from_given(url, origin)?;
            return Ok(Reach { endpoint, embedded: None, origin });
        }
    }
    if let Some(url) = project.database.url.as_deref() {
        let mut endpoint = from_given(url, Origin::ProjectFile)?;
        // It belongs to the project's url: beside another address it could lead to another database.
        if let Some(direct) = project.database.direct_url.as_deref().filter(|url| !url.trim().is_empty()) {
            endpoint = endpoint.with_direct(Endpoint::from_url(direct)?);
        }
        return Ok(Reach { endpoint, embedded: None, origin: Origin::ProjectFile });
    }
    if !project.database.unset.is_empty() {
        // Not even with [embedded]: a job whose variable is missing must not go on with an empty shop of our own.
        return Err(DatabaseError::Config {
            message: format!(
                "url under [database] needs ${{{}}}, which is not set; set it, or give --database-url or DATABASE_URL",
                project.database.unset.join("} and ${")
            ),
        });
    }
    let Some(wanted) = &project.embedded else {
        return Err(nowhere());
    };
    let mut options = embedded::Options::beside(&project_root(dir)?);
    options.database = embedded::database_name(&project.name);
    options.seed = wanted.seed.clone();
    let server = embedded::start(options).await?;
    Ok(Reach { endpoint: server.endpoint(), embedded: Some(server), origin: Origin::Embedded })
}

fn from_given(url: &str, origin: Origin) -> Result<Endpoint, DatabaseError> {
    let source = match origin {
        Origin::Flag => "--database-url",
        Origin::Environment => "DATABASE_URL",
        Origin::ProjectFile | Origin::Embedded => "url under [database]",
    };
    if url.trim().is_empty() {
        // A job whose variable is missing must not go on with another database.
        return Err(DatabaseError::Config { message: format!("{source} is given but empty") });
    }
    Endpoint::from_url(url).map_err(|error| DatabaseError::Config { message: format!("{source}: {error}") })
}

fn nowhere() -> DatabaseError {
    DatabaseError::Config {
        message: "no database is named: give --database-url, set DATABASE_URL, write url under [database] in \
                  project.toml, or declare [embedded] there for a private server"
            .to_owned(),
    }
}

fn project_root(dir: &Path) -> Result<PathBuf, DatabaseError> {
    let whole =
        dir.canonicalize().map_err(|source| DatabaseError::Io { action: "find", path: dir.to_owned(), source })?;
    Ok(whole.parent().unwrap_or(&whole).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn origin_of(cli: Option<&str>, env: Option<&str>, project: &Project) -> Result<Origin, String> {
        resolve(cli, env, project, Path::new(".")).await.map(|reach| reach.origin).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn the_order_is_flag_environment_project() {
        let url = Some("postgres://h/d");
        let mut project = Project::default();
        assert!(origin_of(None, None, &project).await.unwrap_err().contains("[embedded]"));
        project.database.url = url.map(str::to_owned);
        assert_eq!(origin_of(url, url, &project).await, Ok(Origin::Flag));
        assert_eq!(origin_of(None, url, &project).await, Ok(Origin::Environment));
        assert_eq!(origin_of(None, None, &project).await, Ok(Origin::ProjectFile));
    }

    #[tokio::test]
    async fn an_empty_variable_is_an_error() {
        let project = Project { embedded: Some(Default::default()), ..Project::default() };
        let said = origin_of(None, Some(" "), &project).await.unwrap_err();
        assert_eq!(said, "DATABASE_URL is given but empty");
        let mut project = project;
        project.database.unset = vec!["PROD_URL".to_owned()];
        let said = origin_of(None, None, &project).await.unwrap_err();
        assert!(said.starts_with("url under [database] needs ${PROD_URL}, which is not set"), "{said}");
    }
}

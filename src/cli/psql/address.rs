//! A URL as libpq's environment variables.

/// Parameters of a URL that libpq reads from the environment, too.
/// <https://www.postgresql.org/docs/current/libpq-envars.html>
const PARAMETERS: &[(&str, &str)] = &[
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("dbname", "PGDATABASE"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("passfile", "PGPASSFILE"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
    ("sslcrl", "PGSSLCRL"),
    ("sslnegotiation", "PGSSLNEGOTIATION"),
    ("channel_binding", "PGCHANNELBINDING"),
    ("connect_timeout", "PGCONNECT_TIMEOUT"),
    ("options", "PGOPTIONS"),
    ("target_session_attrs", "PGTARGETSESSIONATTRS"),
    ("gssencmode", "PGGSSENCMODE"),
    ("application_name", "PGAPPNAME"),
];

/// The variables that lead where the URL leads.
pub fn variables(url: &str) -> Vec<(&'static str, String)> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let pairs = hosts.split(',').map(host_and_port);
    let (names, ports): (Vec<&str>, Vec<&str>) = pairs.unzip();
    let mut variables = vec![
        ("PGHOST", decode(&names.join(","))),
        ("PGPORT", ports.join(",")),
        ("PGUSER", decode(user)),
        ("PGPASSWORD", decode(password)),
        ("PGDATABASE", decode(database)),
    ];
    variables.retain(|(_, value)| !value.trim_matches(',').is_empty());
    for (key, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        if let Some((_, name)) = PARAMETERS.iter().find(|(known, _)| *known == key) {
            variables.retain(|(known, _)| known != name);
            variables.push((name, decode(value)));
        }
    }
    variables
}

/// `host`, `host:port`, `[::1]:port`.
fn host_and_port(text: &str) -> (&str, &str) {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        return (host, rest.trim_start_matches(':'));
    }
    text.split_once(':').unwrap_or((text, ""))
}

/// Percent-decoding.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        match code.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::variables;

    fn told(url: &str) -> String {
        variables(url).into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn urls_become_variables() {
        assert_eq!(
            told("postgres://ana:s%40cret@db.example.com:5433/shop?sslmode=require&keepalives=1"),
            "PGHOST=db.example.com PGPORT=5433 PGUSER=ana PGPASSWORD=s@cret PGDATABASE=shop PGSSLMODE=require"
        );
        assert_eq!(told("postgresql:///shop?host=/run/x&user=ana"), "PGDATABASE=shop PGHOST=/run/x PGUSER=ana");
        assert_eq!(told("postgres://[::1]:5432/d"), "PGHOST=::1 PGPORT=5432 PGDATABASE=d");
    }
}

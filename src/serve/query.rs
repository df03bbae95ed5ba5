//! What stands behind the `?`: pairs, read strictly.

use super::problem::Problem;

/// So many pairs at most.
const PAIRS: usize = 64;

/// Names and values, in order. A name may come more than once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query(pub Vec<(String, String)>);

impl Query {
    /// Reads what stands behind the `?`.
    ///
    /// # Errors
    /// What is no percent-encoded UTF-8, has a NUL, or is too much.
    pub fn parse(text: Option<&str>) -> Result<Self, Problem> {
        let mut pairs = Vec::new();
        for pair in text.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == PAIRS {
                return Err(Problem::bad(format!("at most {PAIRS} parameters are read")));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            pairs.push((decoded(name)?, decoded(value)?));
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter that stands there once at most.
    ///
    /// # Errors
    /// One that is given twice.
    pub fn one(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let first = values.next();
        match values.next() {
            Some(_) => Err(Problem::bad(format!("{name} is given twice"))),
            None => Ok(first),
        }
    }

    /// `true` or `false`; without a value it is meant.
    ///
    /// # Errors
    /// Another word.
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.one(name)? {
            None | Some("false") => Ok(false),
            Some("true" | "") => Ok(true),
            Some(other) => Err(Problem::bad(format!("{name} is true or false, not {other:?}"))),
        }
    }

    /// A whole number between two.
    ///
    /// # Errors
    /// What is none, or lies outside.
    pub fn whole(&self, name: &str, (min, max): (i64, i64), default: i64) -> Result<i64, Problem> {
        let Some(text) = self.one(name)? else { return Ok(default) };
        whole(name, text, (min, max))
    }

    /// Refuses parameters that nobody reads.
    ///
    /// # Errors
    /// The first one.
    pub fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some((name, _)) if known.is_empty() => Err(Problem::bad(format!("{name:?} is read nowhere here"))),
            Some((name, _)) => Err(Problem::bad(format!("{name:?} is read nowhere here; known: {}", known.join(", ")))),
        }
    }
}

/// A whole number between two: digits, and nothing else.
///
/// # Errors
/// What is none, or lies outside.
pub(super) fn whole(name: &str, text: &str, (min, max): (i64, i64)) -> Result<i64, Problem> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number| digits && (min..=max).contains(number));
    number.ok_or_else(|| Problem::bad(format!("{name} is a whole number from {min} to {max}, not {text:?}")))
}

fn decoded(text: &str) -> Result<String, Problem> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits = [rest.next(), rest.next()].map(|digit| digit.and_then(|d| char::from(d).to_digit(16)));
                let [Some(high), Some(low)] = digits else {
                    return Err(Problem::bad("a % has two hexadecimal digits behind it"));
                };
                u8::try_from(high * 16 + low).unwrap_or_default()
            }
            byte => byte,
        });
    }
    let text = String::from_utf8(bytes).map_err(|_| Problem::bad("what stands behind the ? is not UTF-8"))?;
    match text.contains('\0') {
        true => Err(Problem::bad("PostgreSQL's text has no NUL characters")),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Option<Vec<(String, String)>> {
        Query::parse(Some(text)).ok().map(|query| query.0)
    }

    #[test]
    fn pairs_are_read_as_they_are_meant() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(pairs("a=eq.1+2&&b=%C3%A4&a"), Some(vec![pair("a", "eq.1 2"), pair("b", "ä"), pair("a", "")]));
        assert_eq!(pairs("a=b=c"), Some(vec![pair("a", "b=c")]));
        for bad in ["a=%", "a=%4", "a=%zz", "a=%ff", "%00=1", "a=%00"] {
            assert_eq!(pairs(bad), None, "{bad}");
        }
        assert_eq!(pairs(&"a=1&".repeat(65)), None);
    }

    #[test]
    fn numbers_and_flags_have_one_spelling() {
        let query = |text: &str| Query::parse(Some(text)).unwrap_or_default();
        assert_eq!(query("limit=7").whole("limit", (0, 10), 3).ok(), Some(7));
        assert_eq!(query("").whole("limit", (0, 10), 3).ok(), Some(3));
        for bad in [
            "limit=11",
            "limit=-1",
            "limit=1e1",
            "limit=",
            "limit=%2B1",
            "limit=99999999999999999999",
            "limit=1&limit=2",
        ] {
            assert!(query(bad).whole("limit", (0, 10), 3).is_err(), "{bad}");
        }
        let flags = ["wait", "wait=true", "wait=false", ""].map(|text| query(text).flag("wait").ok());
        assert_eq!(flags, [Some(true), Some(true), Some(false), Some(false)]);
        assert!(query("wait=yes").flag("wait").is_err());
        assert!(query("a=1&b=2").only(&["a"]).is_err());
    }
}

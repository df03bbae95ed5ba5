//! The known word nearest to an unknown one.

/// The candidate that `word` most likely meant, if one is near enough.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = plain(word);
    let limit = 1 + wanted.chars().count() / 4;
    candidates
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&wanted, &plain(candidate));
            (distance, candidate)
        })
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The only candidate that begins with `word`, where that is enough of it to mean something.
pub(super) fn begun<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = plain(word);
    let mut found =
        candidates.into_iter().filter(|candidate| wanted.len() >= 3 && plain(candidate).starts_with(&wanted));
    found.next().filter(|_| found.next().is_none())
}

/// Case, `-` and `_` are no difference.
fn plain(word: &str) -> String {
    word.to_lowercase().replace(['-', ' '], "_")
}

#[cfg(test)]
mod tests {
    use super::{begun, nearest};

    #[test]
    fn finds_what_was_meant() {
        let words = ["schedule", "schema", "strategy", "tags"];
        assert_eq!(nearest("shedule", words), Some("schedule"));
        assert_eq!(nearest("Schema", words), Some("schema"));
        assert_eq!(nearest("tag", words), Some("tags"));
        assert_eq!(nearest("frequency", words), None);
    }

    #[test]
    fn finds_what_was_begun() {
        let words = ["schedule", "schema", "strategy", "tags"];
        assert_eq!(begun("Strat", words), Some("strategy"));
        assert_eq!([begun("sche", words), begun("ta", words), begun("", words)], [None, None, None]);
    }
}

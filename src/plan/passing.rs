//! Names that are exchanged, or move along a chain: each is taken when nobody has it any more.

use crate::state::{QName, passing_name};

/// One renaming: of which of the things, from where to where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub at: usize,
    pub from: QName,
    pub to: QName,
}

/// The order in which things get from one name to another. In a ring the first steps aside, to a passing name.
pub(super) fn hops(ways: &[(QName, QName)]) -> Vec<Hop> {
    let mut waiting: Vec<(usize, QName, &QName)> = Vec::with_capacity(ways.len());
    waiting.extend(
        ways.iter().enumerate().map(|(at, (from, to))| (at, from.clone(), to)).filter(|(_, from, to)| from != *to),
    );
    let mut hops = Vec::with_capacity(waiting.len());
    while let Some(first) = waiting.first().cloned() {
        let free = |to: &QName| waiting.iter().all(|(_, now, _)| now != to);
        let next = waiting.iter().position(|(_, _, to)| free(to));
        let (at, from, to) = match next {
            Some(place) => {
                let (at, from, to) = waiting.remove(place);
                (at, from, to.clone())
            }
            None => {
                let (at, from, _) = first;
                let aside = from.sibling(passing_name(&from));
                waiting[0].1.clone_from(&aside);
                (at, from, aside)
            }
        };
        hops.push(Hop { at, from, to });
    }
    hops
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(ways: &[(&str, &str)]) -> String {
        let name = |name: &str| QName::new("s", name);
        let ways: Vec<(QName, QName)> = ways.iter().map(|(from, to)| (name(from), name(to))).collect();
        let word = |hop: &Hop| {
            let short = |name: &QName| name.name.split("_swap_").next().unwrap_or_default().to_owned();
            format!("{} {}>{}", hop.at, short(&hop.from), short(&hop.to))
        };
        hops(&ways).iter().map(word).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn a_name_is_free_before_it_is_taken() {
        assert_eq!(told(&[("a", "b")]), "0 a>b");
        assert_eq!(told(&[("a", "b"), ("b", "c")]), "1 b>c, 0 a>b");
        assert_eq!(told(&[("a", "a")]), "");
    }

    #[test]
    fn rings_pass_through_a_name_of_their_own() {
        assert_eq!(told(&[("a", "b"), ("b", "a")]), "0 a>a_, 1 b>a, 0 a_>b");
        assert_eq!(told(&[("a", "b"), ("b", "c"), ("c", "a")]), "0 a>a_, 2 c>a, 1 b>c, 0 a_>b");
        let two = [("a", "b"), ("b", "a"), ("c", "d"), ("d", "c"), ("e", "f")];
        assert_eq!(told(&two), "4 e>f, 0 a>a_, 1 b>a, 0 a_>b, 2 c>c_, 3 d>c, 2 c_>d");
    }

    #[test]
    fn a_passing_name_fits() {
        let long = QName::new("s", "x".repeat(63));
        let passing = passing_name(&long);
        assert!(passing.len() <= 63 && passing != long.name);
        assert_ne!(passing, passing_name(&QName::new("t", long.name)));
    }
}

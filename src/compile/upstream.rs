//! An order in which everything stands after what it reads.

use std::collections::BTreeSet;

use crate::state::QName;

/// The numbers of `items`, each after those it reads and otherwise as they stand; then those that read each other in a circle.
pub(crate) fn upstream_first<T>(
    items: &[T],
    name: impl Fn(&T) -> QName,
    reads: impl Fn(&T) -> BTreeSet<QName>,
) -> (Vec<usize>, Vec<usize>) {
    let mut open: BTreeSet<QName> = items.iter().map(&name).collect();
    let mut left: Vec<(usize, BTreeSet<QName>)> = items.iter().map(&reads).enumerate().collect();
    let mut order = Vec::with_capacity(items.len());
    loop {
        let before = left.len();
        left.retain(|(at, reads)| {
            let own = name(&items[*at]);
            let waits = reads.iter().any(|read| *read != own && open.contains(read));
            if !waits {
                open.remove(&own);
                order.push(*at);
            }
            waits
        });
        if left.len() == before {
            return (order, left.into_iter().map(|(at, _)| at).collect());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_stands_first() {
        let ordered = |items: &[(&str, &[&str])]| {
            let name = |name: &str| QName::new("s", name);
            upstream_first(items, |item| name(item.0), |item| item.1.iter().map(|read| name(read)).collect())
        };
        assert_eq!(ordered(&[("c", &["b"]), ("b", &["a", "x"]), ("a", &["a"])]), (vec![2, 1, 0], vec![]));
        assert_eq!(ordered(&[("b", &[]), ("a", &[])]), (vec![0, 1], vec![]));
        assert_eq!(ordered(&[("a", &["b"]), ("b", &["a"]), ("c", &[])]), (vec![2], vec![0, 1]));
    }
}

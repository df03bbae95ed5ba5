//! Sizes for people.

/// Bytes as people read them, in steps of 1024: `0 bytes`, `8 kB`, `1.5 MB`, `12 GB`.
pub fn human_size(bytes: i64) -> String {
    let mut size = bytes.max(0) as f64;
    let mut unit = "bytes";
    for larger in ["kB", "MB", "GB", "TB", "PB"] {
        if size < 1023.95 {
            break;
        }
        size /= 1024.0;
        unit = larger;
    }
    let digits = usize::from(unit != "bytes" && size < 9.95 && (size - size.round()).abs() >= 0.05);
    format!("{size:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::human_size;

    #[test]
    fn sizes_are_short() {
        let sizes = [0, 1, 1023, 1024, 1536, 8192, 10 * 1024 * 1024 + 5, 1_048_575, 5_000_000_000_000];
        let told: Vec<String> = sizes.into_iter().map(human_size).collect();
        assert_eq!(told, ["0 bytes", "1 bytes", "1023 bytes", "1 kB", "1.5 kB", "8 kB", "10 MB", "1 MB", "4.5 TB"]);
    }
}

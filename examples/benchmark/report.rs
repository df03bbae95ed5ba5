//! Figures and tables.

use std::time::Duration;

/// Whether a figure is within its target.
pub fn verdict(figure: f64, target: f64) -> String {
    let word = if figure <= target { "met" } else { "MISSED" };
    format!("{word} ({:.2} of it)", figure / target)
}

/// The least, the one in the middle, the greatest.
pub struct Spread {
    pub min: f64,
    pub median: f64,
    pub max: f64,
}

impl Spread {
    /// Of at least one figure.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut all: Vec<f64> = figures.into_iter().collect();
        all.sort_by(f64::total_cmp);
        let at = |index: usize| all.get(index).copied().unwrap_or(f64::NAN);
        let half = all.len() / 2;
        let median = if all.len() % 2 == 1 { at(half) } else { (at(half.wrapping_sub(1)) + at(half)) / 2.0 };
        Self { min: at(0), median, max: at(all.len().wrapping_sub(1)) }
    }

    /// Of times, in seconds.
    pub fn seconds(times: impl IntoIterator<Item = Duration>) -> Self {
        Self::of(times.into_iter().map(|time| time.as_secs_f64()))
    }

    /// Least, middle and greatest as three cells.
    pub fn cells(&self, decimals: usize) -> [String; 3] {
        [self.min, self.median, self.max].map(|figure| format!("{figure:.decimals$}"))
    }
}

/// Bytes as millions of them.
pub fn megabytes(bytes: u64) -> f64 {
    std::time::Duration::from_micros(bytes).as_secs_f64()
}

/// Prints a table; the first column stands left, the others right.
pub fn table(title: &str, head: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(head.get(column).map(|cell| cell.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let cell = |(column, cell): (usize, &String)| match (column, widths.get(column).copied().unwrap_or(0)) {
            (0, width) => format!("{cell:<width$}"),
            (_, width) => format!("{cell:>width$}"),
        };
        println!("  {}", cells.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ").trim_end());
    };
    println!("\n{title}");
    line(&head.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>());
    line(&widths.iter().map(|width| "─".repeat(*width)).collect::<Vec<_>>());
    rows.iter().for_each(|row| line(row));
    println!();
}

// SPDX-License-Identifier: GPL-2.0

//! A table in the style of numastat(8): a label, then right-aligned columns.

use std::fmt;

/// The width of the column of labels.
pub const LABEL: usize = 24;
/// No column is narrower.
const NARROWEST: usize = 12;

/// Rows of cells. Each column is as wide as its widest cell.
#[derive(Default)]
pub struct Table {
    rows: Vec<(String, Vec<String>)>,
}

impl Table {
    /// Adds a row.
    pub fn row(&mut self, label: &str, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().collect();
        self.rows.push((label.to_owned(), cells));
    }

    /// Inserts a row without a label at the top.
    pub fn head(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().collect();
        self.rows.insert(0, (String::new(), cells));
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|(_, cells)| cells.get(column));
        cells
            .map(String::len)
            .fold(NARROWEST, |width, len| width.max(len.saturating_add(1)))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (label, cells) in &self.rows {
            write!(f, "{label:<width$}", width = LABEL)?;
            for (column, cell) in cells.iter().enumerate() {
                write!(f, "{cell:>width$}", width = self.width(column))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

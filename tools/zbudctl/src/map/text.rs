// SPDX-License-Identifier: GPL-2.0

//! A picture as text: a character for each cell.

use crate::map::grid::{Cell, Grid};
use crate::map::picture::{address, figures, scale, Picture, LEVELS, OFFLINE};
use crate::map::snapshot::NodeMap;
use std::fmt;
use std::num::NonZeroU64;

/// Rows of a map, at most.
const ROWS: usize = 32;
/// The address before a row takes as much.
const LABEL: usize = 13;
/// No row has fewer cells.
const NARROWEST: u64 = 8;
/// The character for each level of `Cell::Filled`, and its colour: an SGR of ECMA-48.
const FILLED: [(char, &str); 5] = [
    ('.', "2"),
    ('-', "36"),
    ('+', "32"),
    ('*', "33"),
    ('#', "31"),
];

/// How to print it.
pub struct Text<'a> {
    /// The maps.
    pub picture: &'a Picture,
    /// The width of a line, in characters.
    pub width: usize,
    /// Whether to print in colour.
    pub has_colour: bool,
}

impl Text<'_> {
    /// As many cells as fit: a power of two, so that the addresses of rows are round.
    fn columns(&self) -> NonZeroU64 {
        let room = u64::try_from(self.width.saturating_sub(LABEL)).unwrap_or(u64::MAX);
        let columns = room.checked_ilog2().and_then(|log| 1_u64.checked_shl(log));
        let columns = columns.unwrap_or_default().max(NARROWEST);
        NonZeroU64::new(columns).unwrap_or(NonZeroU64::MIN)
    }

    /// Neighbours that are equal share their colour.
    fn cells(&self, f: &mut fmt::Formatter<'_>, cells: &[Cell]) -> fmt::Result {
        for run in cells.chunk_by(|a, b| a == b) {
            let (letter, colour) = run.first().map_or((' ', ""), |cell| shown(*cell));
            let letters: String = run.iter().map(|_| letter).collect();
            if self.has_colour && !colour.is_empty() {
                write!(f, "\x1b[{colour}m{letters}\x1b[0m")?;
            } else {
                f.write_str(&letters)?;
            }
        }
        Ok(())
    }

    fn rows(
        &self,
        f: &mut fmt::Formatter<'_>,
        grid: &Grid,
        starts: &[u64],
        map: &NodeMap,
    ) -> fmt::Result {
        for start in starts {
            let cells = grid.row(map, *start);
            // The other map may have it.
            let last = cells.iter().rposition(|cell| *cell != Cell::Nothing);
            if let Some(cells) = last.and_then(|last| cells.get(..=last)) {
                write!(f, "{} ", address(*start))?;
                self.cells(f, cells)?;
                writeln!(f)?;
            }
        }
        Ok(())
    }

    fn legend(&self, f: &mut fmt::Formatter<'_>, grid: &Grid) -> fmt::Result {
        writeln!(f, "A character is {}", scale(grid))?;
        for (level, meaning) in (0..).zip(LEVELS) {
            self.cells(f, &[Cell::Filled(level)])?;
            write!(
                f,
                " {meaning}{}",
                if level < Cell::FULL { "  " } else { "" }
            )?;
        }
        if self.picture.has_offline() {
            f.write_str("  ")?;
            self.cells(f, &[Cell::Offline])?;
            write!(f, " {OFFLINE}")?;
        }
        writeln!(f)
    }
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grid = self.picture.grid(self.columns(), ROWS);
        for (node, starts) in &grid.nodes {
            for (name, map) in self.picture.maps() {
                let Some(map) = map.node(*node) else {
                    continue;
                };
                let name = name.map(|name| format!(", {name}")).unwrap_or_default();
                writeln!(f, "Node {node}{name}: {}", figures(map))?;
                self.rows(f, &grid, starts, map)?;
            }
        }
        self.legend(f, &grid)
    }
}

fn shown(cell: Cell) -> (char, &'static str) {
    match cell {
        Cell::Nothing => (' ', ""),
        Cell::Offline => ('x', "35"),
        Cell::Filled(level) => FILLED.get(usize::from(level)).copied().unwrap_or((' ', "")),
    }
}

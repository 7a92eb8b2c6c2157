// SPDX-License-Identifier: GPL-2.0

//! A picture as SVG: a square for each cell, and what was on the left of what is.

use crate::map::grid::{Cell, Grid};
use crate::map::picture::{address, figures, scale, Picture, LEVELS, OFFLINE};
use crate::map::snapshot::NodeMap;
use std::fmt::{self, Write};
use std::num::NonZeroU64;

/// The width of a map, in pixels, as all lengths here.
const MAP: u64 = 384;
/// The columns and rows that a map may have: the first for as long as a cell is one block.
const FEW: (u64, usize) = (32, 32);
const MANY: (u64, usize) = (64, 64);
/// Between neighbours.
const GAP: u64 = 12;
/// The place of the addresses.
const LABEL: u64 = 96;
/// A line of text.
const LINE: u64 = 20;
/// From the lower end of such a line to where its letters stand.
const BELOW: u64 = 6;
/// A square of the legend, and an entry.
const SQUARE: u64 = 11;
const ENTRY: u64 = 118;

const STYLE: &str = "text{fill:#24292f}.address{fill:#6e7781;font-family:monospace;font-size:10px}\
    .f0{fill:#e9edf1}.f1{fill:#b3d3e8}.f2{fill:#6aadd5}.f3{fill:#2b7bba}.f4{fill:#08306b}\
    .offline{fill:#f0b99a}";

/// It, as the contents of a file.
pub struct Svg<'a>(pub &'a Picture);

/// What was drawn so far, from the top down.
struct Canvas {
    body: String,
    width: u64,
    /// The lower end.
    y: u64,
}

impl Canvas {
    /// Room below what there is.
    fn grow(&mut self, height: u64) {
        self.y = self.y.saturating_add(height);
    }

    /// Text in the line that ends here.
    fn text(&mut self, x: u64, text: &str) -> fmt::Result {
        let y = self.y.saturating_sub(BELOW);
        writeln!(self.body, "<text x=\"{x}\" y=\"{y}\">{text}</text>")
    }

    /// A map whose rows begin here. Cells of a kind are one path.
    fn map(&mut self, x: u64, grid: &Grid, starts: &[u64], map: &NodeMap) -> fmt::Result {
        let size = MAP / grid.columns;
        let rows: Vec<_> = starts.iter().map(|start| grid.row(map, *start)).collect();
        for kind in kinds() {
            let mut path = String::new();
            let mut y = self.y;
            for row in &rows {
                let mut x = x;
                for cell in row {
                    if *cell == kind {
                        path.push_str(&square(x, y, size));
                    }
                    x = x.saturating_add(size);
                }
                y = y.saturating_add(size);
            }
            if !path.is_empty() {
                writeln!(self.body, "<path class=\"{}\" d=\"{path}\"/>", class(kind))?;
            }
        }
        Ok(())
    }

    /// The addresses of the rows that begin here; of small rows those of every second, as none
    /// is to be over another.
    fn addresses(&mut self, grid: &Grid, starts: &[u64]) -> fmt::Result {
        let size = MAP / grid.columns;
        let step = if size < SQUARE { 2 } else { 1 };
        for (row, start) in (1..).zip(starts).step_by(step) {
            let y = self.y.saturating_add(size.saturating_mul(row));
            let (y, start) = (y.saturating_sub(2), address(*start));
            writeln!(
                self.body,
                "<text class=\"address\" x=\"{GAP}\" y=\"{y}\">{start}</text>"
            )?;
        }
        Ok(())
    }

    fn legend(&mut self, picture: &Picture, grid: &Grid) -> fmt::Result {
        self.grow(LINE);
        self.text(GAP, &format!("A square is {}", scale(grid)))?;
        self.grow(LINE);
        let mut x = GAP;
        for kind in kinds() {
            let meaning = match kind {
                Cell::Filled(level) => LEVELS.get(usize::from(level)).copied(),
                Cell::Offline => picture.has_offline().then_some(OFFLINE),
                Cell::Nothing => None,
            };
            let Some(meaning) = meaning else {
                continue;
            };
            if x.saturating_add(ENTRY) > self.width {
                x = GAP;
                self.grow(LINE);
            }
            let top = self.y.saturating_sub(SQUARE).saturating_sub(BELOW / 2);
            let square = square(x, top, SQUARE);
            writeln!(
                self.body,
                "<path class=\"{}\" d=\"{square}\"/>",
                class(kind)
            )?;
            self.text(x.saturating_add(LINE), meaning)?;
            x = x.saturating_add(ENTRY);
        }
        Ok(())
    }
}

impl fmt::Display for Svg<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grid = grid(self.0);
        let maps = self.0.maps();
        let place = |number: u64| {
            let before = MAP.saturating_add(GAP).saturating_mul(number);
            before.saturating_add(LABEL).saturating_add(GAP)
        };
        let mut canvas = Canvas {
            body: String::new(),
            width: place(u64::try_from(maps.len()).unwrap_or_default()),
            y: 0,
        };
        let size = MAP / grid.columns;
        for (node, starts) in &grid.nodes {
            canvas.grow(LINE);
            canvas.text(GAP, &format!("Node {node}"))?;
            let (top, rows) = (canvas.y, u64::try_from(starts.len()).unwrap_or_default());
            canvas.addresses(&grid, starts)?;
            for (number, (name, map)) in (0..).zip(&maps) {
                let Some(map) = map.node(*node) else {
                    continue;
                };
                let name = name.map(|name| format!("{name}: ")).unwrap_or_default();
                canvas.text(place(number), &format!("{name}{}", figures(map)))?;
                canvas.map(place(number), &grid, starts, map)?;
            }
            canvas.y = top.saturating_add(size.saturating_mul(rows));
        }
        canvas.legend(self.0, &grid)?;
        canvas.grow(GAP);
        let (width, height) = (canvas.width, canvas.y);
        writeln!(
            f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">"
        )?;
        writeln!(f, "<title>Pool pages of zbud_movable</title>")?;
        writeln!(f, "<style>{STYLE}</style>")?;
        writeln!(
            f,
            "<rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>"
        )?;
        write!(f, "{}</svg>", canvas.body)
    }
}

/// Large squares, if there is room for all.
fn grid(picture: &Picture) -> Grid {
    let [few, many] = [FEW, MANY].map(|(columns, rows)| {
        let columns = NonZeroU64::new(columns).unwrap_or(NonZeroU64::MIN);
        picture.grid(columns, rows)
    });
    if few.scale == NonZeroU64::MIN {
        few
    } else {
        many
    }
}

/// All that is drawn.
fn kinds() -> impl Iterator<Item = Cell> {
    let filled = (0..=Cell::FULL).map(Cell::Filled);
    filled.chain([Cell::Offline])
}

fn class(cell: Cell) -> String {
    match cell {
        Cell::Nothing => String::new(),
        Cell::Offline => "offline".to_owned(),
        Cell::Filled(level) => format!("f{level}"),
    }
}

/// The path around a square, with a little space between it and the next one.
fn square(x: u64, y: u64, size: u64) -> String {
    let side = size.saturating_sub(1);
    format!("M{x} {y}h{side}v{side}h-{side}z")
}

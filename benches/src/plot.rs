//! Lines in a picture: one [`Plot`] is one SVG file.
//!
//! What must stay true: an axis says what it shows and in which unit. Deliberately absent: what is plotted.

use std::path::Path;

/// A picture of some lines.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    /// Its file's name, without the ending.
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
}

#[derive(Clone, Debug)]
pub(crate) struct Axis {
    /// What it shows, with its unit.
    pub(crate) label: &'static str,
    pub(crate) scale: Scale,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// From zero on.
    Linear,
    Logarithmic,
}

#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Plot {
    /// The file that it is drawn to.
    pub(crate) fn file(&self) -> String {
        format!("{}.svg", self.name)
    }

    /// Draws it to a file.
    pub(crate) fn draw(&self, _file: &Path) -> Result<(), String> {
        Err("not drawn yet".to_owned())
    }
}

//! How far a benchmark is, on the error output: a bar on a terminal, a line for each piece of work elsewhere.

use indicatif::{ProgressBar, ProgressStyle};

const BAR: &str = "{wide_bar} {pos}/{len}, {elapsed} gone, {eta} to go\n{msg}";

/// Gone when it is dropped.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new(pieces: usize) -> Self {
        let style = ProgressStyle::with_template(BAR).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self(ProgressBar::new(pieces as u64).with_style(style))
    }

    /// The next piece begins.
    pub(crate) fn begin(&self, piece: String) {
        if self.0.is_hidden() {
            eprintln!("{piece}");
        }
        self.0.set_message(piece);
    }

    /// The piece is done.
    pub(crate) fn end(&self) {
        self.0.inc(1);
    }

    /// Something that stays on the screen.
    pub(crate) fn tell(&self, what: &str) {
        if self.0.is_hidden() { eprintln!("    {what}") } else { self.0.println(what) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

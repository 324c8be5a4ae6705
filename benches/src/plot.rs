//! Lines in a picture: one [`Plot`] is one SVG file.
//!
//! What must stay true: an axis says what it shows and in which unit; what cannot stand on an axis, as zero on a
//! logarithmic one, is left out. Deliberately absent: what is plotted.

use std::error::Error;
use std::ops::Range;
use std::path::Path;

use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

const SIZE: (u32, u32) = (1120, 560);
/// How much of the width is the legend's, which stands beside the chart so that it hides nothing.
const LEGEND: u32 = 190;
/// Around what is drawn, so that nothing lies on an edge.
const MARGIN: f64 = 0.05;
const FONT: &str = "sans-serif";
/// Told apart by those who do not see all colours, too (after Okabe and Ito), darkest first.
const COLOURS: [RGBColor; 10] = [
    RGBColor(0, 0, 0),
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(128, 128, 128),
    RGBColor(136, 34, 85),
    RGBColor(221, 204, 119),
];

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

#[derive(Clone, Copy, Debug)]
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
    pub(crate) fn draw(&self, file: &Path) -> Result<(), String> {
        let (x, y) = (self.x.range(self.points().map(|(x, _)| x)), self.y.range(self.points().map(|(_, y)| y)));
        let drawn = match (self.x.scale, self.y.scale) {
            (Scale::Linear, Scale::Linear) => self.draw_on(file, x, y),
            (Scale::Linear, Scale::Logarithmic) => self.draw_on(file, x, y.log_scale()),
            (Scale::Logarithmic, Scale::Linear) => self.draw_on(file, x.log_scale(), y),
            (Scale::Logarithmic, Scale::Logarithmic) => self.draw_on(file, x.log_scale(), y.log_scale()),
        };
        drawn.map_err(|error| format!("{} cannot be drawn: {error}", file.display()))
    }

    fn draw_on<X, Y>(&self, file: &Path, x: X, y: Y) -> Result<(), Box<dyn Error>>
    where
        X: AsRangedCoord<Value = f64, CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>>,
        Y: AsRangedCoord<Value = f64, CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>>,
    {
        let area = SVGBackend::new(file, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let (beside, legend) = area.split_horizontally(SIZE.0 - LEGEND);
        let mut chart = ChartBuilder::on(&beside)
            .caption(&self.title, (FONT, 22))
            .margin(16)
            .x_label_area_size(48)
            .y_label_area_size(72)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .x_desc(self.x.label)
            .y_desc(self.y.label)
            .x_label_formatter(&|value| tick(*value))
            .y_label_formatter(&|value| tick(*value))
            .label_style((FONT, 14))
            .axis_desc_style((FONT, 16))
            .bold_line_style(BLACK.mix(0.15))
            .light_line_style(BLACK.mix(0.04))
            .draw()?;
        let shown = self.lines.iter().filter(|line| self.shown(line).next().is_some());
        for ((line, colour), y) in shown.zip(COLOURS.into_iter().cycle()).zip((64..).step_by(24)) {
            let style = colour.stroke_width(2);
            chart.draw_series(LineSeries::new(self.shown(line), style).point_size(2))?;
            legend.draw(&PathElement::new([(0, y), (20, y)], style))?;
            legend.draw(&Text::new(line.name.as_str(), (26, y - 8), (FONT, 14)))?;
        }
        Ok(area.present()?)
    }

    fn points(&self) -> impl Iterator<Item = (f64, f64)> {
        self.lines.iter().flat_map(|line| self.shown(line))
    }

    /// The points of a line that can stand on both axes.
    fn shown(&self, line: &Line) -> impl Iterator<Item = (f64, f64)> {
        let (x_axis, y_axis) = (self.x, self.y);
        line.points.iter().copied().filter(move |&(x, y)| x_axis.has(x) && y_axis.has(y))
    }
}

impl Axis {
    fn has(self, value: f64) -> bool {
        value.is_finite() && (self.scale == Scale::Linear || value > 0.0)
    }

    /// All values, with a little room around them.
    fn range(self, values: impl Iterator<Item = f64>) -> Range<f64> {
        let (least, most) = values.fold((f64::INFINITY, 0.0_f64), |(least, most), it| (least.min(it), most.max(it)));
        match self.scale {
            _ if most <= 0.0 => 0.1..1.0,
            Scale::Linear => 0.0..most * (1.0 + MARGIN),
            Scale::Logarithmic => least / (1.0 + MARGIN)..most * (1.0 + MARGIN),
        }
    }
}

/// `1,000`, `12.5`, `0.02`.
fn tick(value: f64) -> String {
    if value.abs() < 100.0 {
        let digits = if value.abs() < 1.0 { 3 } else { 1 };
        let text = format!("{value:.digits$}");
        return if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(scale: Scale, points: Vec<(f64, f64)>) -> Plot {
        let (x, y) = (Axis { label: "latency, µs", scale }, Axis { label: "share", scale: Scale::Linear });
        let title = "how long it takes".to_owned();
        Plot { name: "it", title, x, y, lines: vec![Line { name: "ours & theirs".to_owned(), points }] }
    }

    fn drawn(plot: &Plot) -> String {
        let file = std::env::temp_dir().join(format!("plot-{}-{:p}.svg", std::process::id(), plot));
        plot.draw(&file).expect("it is drawn");
        let text = std::fs::read_to_string(&file).expect("it was written");
        std::fs::remove_file(file).expect("it is there");
        text
    }

    #[test]
    fn a_picture_says_what_it_shows() {
        let text = drawn(&plot(Scale::Logarithmic, vec![(1.0, 0.1), (1000.0, 1.0)]));
        for word in ["how long it takes", "latency, µs", "share", "ours &amp; theirs", "polyline"] {
            assert!(text.contains(word), "{word} is not in {text}");
        }
    }

    #[test]
    fn a_picture_of_nothing_is_empty() {
        for points in [vec![], vec![(0.0, 0.0)], vec![(f64::NAN, 1.0)]] {
            let text = drawn(&plot(Scale::Logarithmic, points));
            assert!(text.contains("how long it takes") && !text.contains("ours"));
        }
    }

    #[test]
    fn what_has_no_logarithm_is_left_out() {
        let plot = plot(Scale::Logarithmic, vec![(0.0, 1.0), (-1.0, 1.0), (10.0, 0.5)]);
        assert_eq!(plot.points().collect::<Vec<_>>(), [(10.0, 0.5)]);
    }

    #[test]
    fn ticks_are_short() {
        assert_eq!(
            [0.0, 0.02, 0.5, 12.5, 100.0, 1_000.0, 1_234_567.0].map(tick),
            ["0", "0.02", "0.5", "12.5", "100", "1,000", "1,234,567"]
        );
    }
}

//! Plots of what was measured, by the size of the cache, beside the tables that are printed.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use plotters::element::DashedPathElement;
use plotters::prelude::*;

use crate::draws::Spread;

/// Where plots go, if anywhere.
#[derive(Default, clap::Args)]
pub(crate) struct Plots {
    /// A folder for plots of the figures, as SVG; made if it is not there
    #[arg(long = "plots", value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// A plot of numbers by the size of the cache.
pub(crate) struct Plot<'a> {
    /// The file's name, in the folder
    pub(crate) file: &'a str,
    /// What stands above it
    pub(crate) title: &'a str,
    /// What the sizes are, with their unit
    pub(crate) across: &'a str,
    /// What the numbers are, with their unit
    pub(crate) up: &'a str,
    /// The sizes, in percent; they lie evenly
    pub(crate) percents: &'a [u64],
    /// Where the names of the lines are
    pub(crate) names: Names,
    /// One number for each of the sizes
    pub(crate) lines: Vec<Line>,
}

/// Where the names of the lines are.
#[derive(Clone, Copy)]
pub(crate) enum Names {
    /// Above all lines, for which the axis is longer
    Above,
    /// Below lines that rise to the right
    Below,
}

impl Names {
    /// As plotters has it.
    fn position(self) -> SeriesLabelPosition {
        match self {
            Self::Above => SeriesLabelPosition::UpperLeft,
            Self::Below => SeriesLabelPosition::LowerRight,
        }
    }

    /// How many times the greatest number the axis is long.
    fn axis(self) -> f64 {
        match self {
            Self::Above => 1.4,
            Self::Below => 1.06,
        }
    }
}

/// A line of a plot.
pub(crate) struct Line {
    /// As it stands beside a piece of the line
    name: String,
    /// Its colour
    hue: Hue,
    /// How keys are drawn, which its strokes tell
    spread: Spread,
    /// A number for each of the plot's sizes, in their order
    pub(crate) numbers: Vec<f64>,
}

/// What a line is told by beside its strokes: colours that the colour-blind tell apart, too.
#[derive(Clone, Copy)]
pub(crate) enum Hue {
    /// Drawn first
    Blue,
    /// Drawn upon it
    Red,
}

impl Hue {
    /// As plotters has it.
    fn color(self) -> RGBColor {
        match self {
            Self::Blue => RGBColor(0, 114, 178),
            Self::Red => RGBColor(213, 94, 0),
        }
    }

    /// The radius of a mark: what is drawn first can be seen behind what lies at the same place.
    fn mark_pixels(self) -> i32 {
        match self {
            Self::Blue => 4,
            Self::Red => 2,
        }
    }
}

impl Line {
    /// A line without numbers yet, of `what` with keys that are drawn as `spread` says, which its strokes tell.
    pub(crate) fn new(what: impl fmt::Display, hue: Hue, spread: Spread) -> Self {
        Self { name: format!("{what}, {spread} keys"), hue, spread, numbers: Vec::new() }
    }

    /// A stroke and a gap, in pixels.
    fn dashes(&self) -> (u32, u32) {
        match self.spread {
            Spread::Uniform => (6, 5),
            // Longer than any line.
            Spread::Zipf => (100_000, 1),
        }
    }
}

impl Plots {
    /// Makes the folder, so that one that cannot be made is found out before anything is measured.
    pub(crate) fn prepare(&self) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}; name another folder with --plots", folder.display()))
    }

    /// Draws `plot`, if plots are wanted.
    pub(crate) fn draw(&self, plot: &Plot<'_>) -> Result<()> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let path = folder.join(plot.file);
        plot.draw(&path).with_context(|| format!("cannot draw {}", path.display()))?;
        eprintln!("{} is drawn", path.display());
        Ok(())
    }
}

/// Width and height, in pixels.
const PIXELS: (u32, u32) = (800, 480);

/// The letters of all text: whatever the page's reader has.
const FONT: &str = "sans-serif";

/// Heights of letters, in pixels.
const TITLE_PIXELS: u32 = 20;
const LABEL_PIXELS: u32 = 14;

/// What is free around the plot and around the names of its lines, in pixels.
const MARGIN_PIXELS: u32 = 12;

/// Room for what is written along an axis, in pixels.
const ACROSS_PIXELS: u32 = 46;
const UP_PIXELS: u32 = 74;

/// The width of a line, and how much of it is drawn beside its name, in pixels.
const LINE_PIXELS: u32 = 2;
const SAMPLE_PIXELS: i32 = 28;

impl Plot<'_> {
    /// Draws it into the file at `path`.
    fn draw(&self, path: &Path) -> Result<()> {
        let area = SVGBackend::new(path, PIXELS).into_drawing_area();
        // Pages may be dark, and letters are black.
        area.fill(&WHITE)?;
        let greatest = self.lines.iter().flat_map(|line| &line.numbers).copied().fold(0.0, f64::max);
        let columns = (0..self.percents.len() - 1).into_segmented();
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, (FONT, TITLE_PIXELS))
            .margin(MARGIN_PIXELS)
            .x_label_area_size(ACROSS_PIXELS)
            .y_label_area_size(UP_PIXELS)
            .build_cartesian_2d(columns, 0.0..greatest * self.names.axis())?;
        let percent = |column: &SegmentValue<usize>| match column {
            SegmentValue::CenterOf(column) => format!("{}%", self.percents[*column]),
            _ => String::new(),
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .label_style((FONT, LABEL_PIXELS))
            .x_desc(self.across)
            .y_desc(self.up)
            .x_labels(self.percents.len())
            .x_label_formatter(&percent)
            .y_label_formatter(&|number| short(*number))
            .draw()?;
        for line in &self.lines {
            let color = line.hue.color();
            let style = color.stroke_width(LINE_PIXELS);
            let (stroke, gap) = line.dashes();
            let points = line.numbers.iter().enumerate();
            let points = points.map(|(column, &number)| (SegmentValue::CenterOf(column), number));
            chart
                .draw_series(DashedLineSeries::new(points.clone(), stroke, gap, style))?
                .label(&line.name)
                .legend(move |(x, y)| {
                    DashedPathElement::new(vec![(x, y), (x + SAMPLE_PIXELS, y)], stroke, gap, style)
                });
            chart.draw_series(
                points.map(|point| Circle::new(point, line.hue.mark_pixels(), color.filled())),
            )?;
        }
        chart
            .configure_series_labels()
            .position(self.names.position())
            .legend_area_size(SAMPLE_PIXELS + 8)
            .margin(MARGIN_PIXELS)
            .background_style(WHITE.mix(0.85))
            .border_style(BLACK.mix(0.3))
            .label_font((FONT, LABEL_PIXELS))
            .draw()?;
        Ok(area.present()?)
    }
}

/// A number as the axis has it: without the zeros of thousands and millions.
fn short(number: f64) -> String {
    if number >= 1e6 {
        format!("{}M", number / 1e6)
    } else if number >= 1e3 {
        format!("{}k", number / 1e3)
    } else {
        // Steps of a tenth are not exact in binary.
        format!("{}", (number * 1e6).round() / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_an_axis_are_short() {
        let shorts: Vec<_> = [0.0, 0.1 + 0.2, 40.0, 1_000.0, 150_000.0, 2_500_000.0].map(short).into();
        assert_eq!(shorts, ["0", "0.3", "40", "1k", "150k", "2.5M"]);
    }

    #[test]
    fn a_plot_is_drawn_where_it_is_wanted_and_names_its_lines_and_sizes() {
        let folder = tempfile::tempdir().unwrap();
        let plots = Plots { folder: Some(folder.path().join("a/b")) };
        plots.prepare().unwrap();
        let mut line = Line::new("exact LRU", Hue::Blue, Spread::Zipf);
        line.numbers.extend([1.0, 17.0]);
        let plot = Plot {
            file: "plot.svg",
            title: "A title",
            across: "across",
            up: "up",
            percents: &[5, 25],
            names: Names::Above,
            lines: vec![line],
        };
        plots.draw(&plot).unwrap();
        let svg = fs::read_to_string(folder.path().join("a/b/plot.svg")).unwrap();
        for text in ["A title", "across", "up", "5%", "25%", "exact LRU, zipf(0.99) keys"] {
            assert!(svg.lines().any(|line| line == text), "no {text} in {svg}");
        }
        fs::write(folder.path().join("file"), "").unwrap();
        let error = Plots { folder: Some(folder.path().join("file")) }.prepare().unwrap_err();
        assert!(error.to_string().contains("--plots"), "{error}");
    }
}

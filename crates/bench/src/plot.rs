//! A plot as SVG: axes with round numbers, curves, and a legend. It is text from beginning to
//! end, and needs no script.

use std::fmt::Write as _;

use crate::key_distribution::whole;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 26.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 44.0;

/// The height of a line of the legend, and the width of a letter and of what stands between two
/// names.
const LEGEND_LINE: f64 = 16.0;
const LETTER: f64 = 6.6;
const BETWEEN: f64 = 40.0;

/// The colours that a page has for curves.
pub(crate) const COLOURS: usize = 8;

/// How numbers become places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// From zero.
    Linear,
    /// By the logarithm of what is above zero.
    Log,
}

/// One axis.
pub(crate) struct Axis {
    pub(crate) label: &'static str,
    pub(crate) scale: Scale,
    /// How much of the axis is left free beyond its numbers, as a part of it.
    pub(crate) room: f64,
    /// What a number on it is called.
    pub(crate) name: fn(f64) -> String,
    /// The numbers that are named; round ones where there are none.
    pub(crate) ticks: Vec<f64>,
}

/// One curve.
pub(crate) struct Curve {
    pub(crate) name: String,
    /// Its colour, below [`COLOURS`].
    pub(crate) colour: usize,
    /// In the order in which they are joined; `None` is a gap.
    pub(crate) points: Vec<Option<(f64, f64)>>,
    /// Whether points are marked, and say their numbers to who points at them.
    pub(crate) is_marked: bool,
    /// What each point is called; empty where they have no names.
    pub(crate) point_names: Vec<String>,
}

/// A plot.
pub(crate) struct Plot {
    pub(crate) title: &'static str,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) curves: Vec<Curve>,
    /// Whether the names of the first curve's points stand beside them.
    pub(crate) names_points: bool,
}

/// Where the numbers of one axis lie.
struct AxisMapping {
    scale: Scale,
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

impl AxisMapping {
    fn new(axis: &Axis, numbers: impl Iterator<Item = f64> + Clone, from: f64, to: f64) -> Self {
        let most = numbers.clone().fold(f64::NEG_INFINITY, f64::max);
        let least = numbers.fold(f64::INFINITY, f64::min);
        let (least, most) = match axis.scale {
            Scale::Linear => (0.0, if most > 0.0 { most * (1.0 + axis.room) } else { 1.0 }),
            Scale::Log if most > least && least > 0.0 => {
                let room = (most / least).powf(axis.room);
                (least / room, most * room)
            }
            Scale::Log if most > 0.0 => (most / 2.0, most * 2.0),
            Scale::Log => (1.0, 10.0),
        };
        Self { scale: axis.scale, least, most, from, to }
    }

    fn at(&self, number: f64) -> f64 {
        let part = match self.scale {
            Scale::Linear => (number - self.least) / (self.most - self.least),
            Scale::Log => (number.max(self.least) / self.least).ln() / (self.most / self.least).ln(),
        };
        self.from + part * (self.to - self.from)
    }

    fn holds(&self, number: f64) -> bool {
        (self.least..=self.most).contains(&number)
    }

    fn round_numbers(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let rough = (self.most - self.least) / 6.0;
                let power = 10f64.powf(rough.log10().floor());
                let step =
                    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= rough);
                let step = step.unwrap_or(power * 10.0);
                (0..=whole(self.most / step)).map(|i| i as f64 * step).collect()
            }
            Scale::Log => {
                let decades = (self.most / self.least).log10();
                let within: &[f64] = if decades < 3.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
                let mut power = 10f64.powf(self.least.log10().floor());
                let mut numbers = Vec::new();
                while power <= self.most {
                    numbers
                        .extend(within.iter().map(|step| step * power).filter(|number| self.holds(*number)));
                    power *= 10.0;
                }
                numbers
            }
        }
    }
}

/// Whether a logarithmic scale shows `numbers` better: where the largest is far from the smallest.
pub(crate) fn scale_for(numbers: impl Iterator<Item = f64> + Clone) -> Scale {
    let most = numbers.clone().fold(0.0, f64::max);
    let least = numbers.filter(|number| *number > 0.0).fold(f64::INFINITY, f64::min);
    if most / least > 30.0 { Scale::Log } else { Scale::Linear }
}

impl Plot {
    /// The plot as an SVG element.
    pub(crate) fn svg(&self) -> String {
        let mut out = String::new();
        self.write(&mut out).expect("a string takes everything");
        out
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let points = self.curves.iter().flat_map(|curve| curve.points.iter().copied().flatten());
        let x = AxisMapping::new(&self.x, points.clone().map(|point| point.0), LEFT, WIDTH - RIGHT);
        let y = AxisMapping::new(&self.y, points.map(|point| point.1), HEIGHT - BOTTOM, TOP);
        let legend = self.legend();
        let lines = legend.last().map_or(0, |(_, line)| *line);
        // The first line has its room in the plot, further ones come on top of it.
        let above = lines as f64 * LEGEND_LINE;
        writeln!(
            out,
            r#"<svg viewBox="0 {} {WIDTH} {}" role="img" aria-label="{}"><title>{}</title>"#,
            -above,
            HEIGHT + above,
            escaped(self.title),
            escaped(self.title)
        )?;
        self.write_axes(&x, &y, out)?;
        for curve in &self.curves {
            write_curve(curve, self, &x, &y, out)?;
        }
        for (curve, (x, line)) in self.curves.iter().zip(legend) {
            let colour = curve.colour % COLOURS;
            let y = line as f64 * LEGEND_LINE - above + 9.0;
            writeln!(
                out,
                r#"<rect class="f{colour}" x="{x:.1}" y="{y}" width="12" height="4"/><text x="{:.1}" y="{}">{}</text>"#,
                x + 17.0,
                y + 6.0,
                escaped(&curve.name)
            )?;
        }
        writeln!(out, "</svg>")
    }

    /// Where the name of each curve stands: how far to the right, and in which line.
    fn legend(&self) -> Vec<(f64, usize)> {
        let (mut at, mut line) = (LEFT, 0);
        let mut places = Vec::new();
        for curve in &self.curves {
            let width = BETWEEN + LETTER * curve.name.chars().count() as f64;
            if at > LEFT && at + width > WIDTH {
                (at, line) = (LEFT, line + 1);
            }
            places.push((at, line));
            at += width;
        }
        places
    }

    fn write_axes(&self, x: &AxisMapping, y: &AxisMapping, out: &mut String) -> std::fmt::Result {
        let bottom = HEIGHT - BOTTOM;
        let right = WIDTH - RIGHT;
        for number in ticks(&self.y, y) {
            let at = y.at(number);
            writeln!(out, r#"<path class="g" d="M{LEFT} {at:.1}H{right}"/>"#)?;
            let name = escaped(&(self.y.name)(number));
            writeln!(out, r#"<text class="e" x="{:.1}" y="{:.1}">{name}</text>"#, LEFT - 6.0, at + 4.0)?;
        }
        for number in ticks(&self.x, x) {
            let at = x.at(number);
            writeln!(out, r#"<path class="g" d="M{at:.1} {TOP}V{bottom}"/>"#)?;
            let name = escaped(&(self.x.name)(number));
            writeln!(out, r#"<text class="m" x="{at:.1}" y="{:.1}">{name}</text>"#, bottom + 16.0)?;
        }
        writeln!(out, r#"<path class="a" d="M{LEFT} {TOP}V{bottom}H{right}"/>"#)?;
        let middle = f64::midpoint(LEFT, right);
        writeln!(out, r#"<text class="m" x="{middle}" y="{:.1}">{}</text>"#, HEIGHT - 8.0, self.x.label)?;
        let label = self.y.label;
        writeln!(
            out,
            r#"<text class="m" transform="translate(13 {}) rotate(-90)">{label}</text>"#,
            f64::midpoint(TOP, bottom)
        )
    }
}

fn ticks(axis: &Axis, place: &AxisMapping) -> Vec<f64> {
    if axis.ticks.is_empty() {
        return place.round_numbers();
    }
    axis.ticks.iter().copied().filter(|number| place.holds(*number)).collect()
}

fn write_curve(
    curve: &Curve,
    plot: &Plot,
    x: &AxisMapping,
    y: &AxisMapping,
    out: &mut String,
) -> std::fmt::Result {
    let colour = curve.colour % COLOURS;
    write!(out, r#"<path class="c{colour}" d=""#)?;
    let mut command = 'M';
    for point in &curve.points {
        if let Some(point) = point {
            write!(out, "{command}{:.1} {:.1}", x.at(point.0), y.at(point.1))?;
        }
        command = if point.is_some() { 'L' } else { 'M' };
    }
    writeln!(out, r#""/>"#)?;
    if curve.is_marked {
        let names = curve.point_names.iter().map(String::as_str).chain(std::iter::repeat(""));
        for (point, name) in curve.points.iter().zip(names) {
            let Some(point) = point else { continue };
            let called = match name {
                "" => curve.name.clone(),
                name => format!("{} of {name}", curve.name),
            };
            let (at_x, at_y) = (x.at(point.0), y.at(point.1));
            if plot.names_points && curve.colour == 0 {
                let above = at_y - 8.0;
                writeln!(out, r#"<text class="m" x="{at_x:.1}" y="{above:.1}">{}</text>"#, escaped(name))?;
            }
            writeln!(
                out,
                r#"<circle class="f{colour}" cx="{at_x:.1}" cy="{at_y:.1}" r="3.5"><title>{}: {}, {}</title></circle>"#,
                escaped(&called),
                escaped(&(plot.x.name)(point.0)),
                escaped(&(plot.y.name)(point.1)),
            )?;
        }
    }
    Ok(())
}

/// Text that is nothing but text in HTML.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(scale: Scale) -> Axis {
        Axis { label: "label", scale, room: 0.04, name: |number| format!("{number}"), ticks: Vec::new() }
    }

    fn plot(scale: Scale, points: Vec<Option<(f64, f64)>>) -> Plot {
        let curve =
            Curve { name: "<one>".into(), colour: 0, points, is_marked: true, point_names: Vec::new() };
        Plot { title: "title", x: axis(scale), y: axis(scale), curves: vec![curve], names_points: false }
    }

    #[test]
    fn points_lie_where_their_scale_puts_them() {
        let linear = AxisMapping { scale: Scale::Linear, least: 0.0, most: 10.0, from: 100.0, to: 200.0 };
        assert_eq!([0.0, 2.5, 10.0].map(|number| linear.at(number)), [100.0, 125.0, 200.0]);
        let log = AxisMapping { scale: Scale::Log, least: 1.0, most: 100.0, from: 100.0, to: 200.0 };
        assert_eq!(
            [0.0, 1.0, 10.0, 100.0].map(|number| log.at(number).round()),
            [100.0, 100.0, 150.0, 200.0]
        );
    }

    #[test]
    fn axes_name_round_numbers() {
        let linear = AxisMapping { scale: Scale::Linear, least: 0.0, most: 47.0, from: 0.0, to: 1.0 };
        assert_eq!(linear.round_numbers(), [0.0, 10.0, 20.0, 30.0, 40.0]);
        let log = AxisMapping { scale: Scale::Log, least: 3.0, most: 60.0, from: 0.0, to: 1.0 };
        assert_eq!(log.round_numbers(), [5.0, 10.0, 20.0, 50.0]);
    }

    #[test]
    fn names_that_do_not_fit_beside_each_other_stand_below_each_other() {
        let mut plot = plot(Scale::Linear, vec![Some((1.0, 1.0))]);
        plot.curves = (0..4)
            .map(|colour| Curve {
                name: "m".repeat(30),
                colour,
                points: Vec::new(),
                is_marked: false,
                point_names: Vec::new(),
            })
            .collect();
        let lines: Vec<usize> = plot.legend().iter().map(|(_, line)| *line).collect();
        assert_eq!(lines, [0, 0, 1, 1]);
        assert!(plot.legend().iter().all(|(x, _)| x + 30.0 * LETTER < WIDTH));
        assert!(plot.svg().starts_with(r#"<svg viewBox="0 -16 760 316""#), "{}", plot.svg());
    }

    #[test]
    fn a_gap_in_the_points_is_a_gap_in_the_curve() {
        let points = vec![Some((0.0, 0.0)), Some((1.0, 1.0)), None, Some((2.0, 2.0)), Some((3.0, 3.0))];
        let svg = plot(Scale::Linear, points).svg();
        let path = svg.lines().find(|line| line.contains("class=\"c0\"")).unwrap();
        let commands: String =
            path[path.find("d=").unwrap()..].chars().filter(|c| "ML".contains(*c)).collect();
        assert_eq!(commands, "MLML");
        assert_eq!(svg.matches("<circle").count(), 4);
    }

    #[test]
    fn nothing_a_plot_is_given_makes_a_number_that_is_none() {
        for scale in [Scale::Linear, Scale::Log] {
            for points in [vec![], vec![None], vec![Some((0.0, 0.0))], vec![Some((5.0, 5.0))]] {
                let svg = plot(scale, points.clone()).svg();
                assert!(!svg.contains("NaN") && !svg.contains("inf"), "{scale:?} {points:?}: {svg}");
                assert!(svg.contains("&lt;one&gt;") && !svg.contains("<one>"));
            }
        }
    }
}

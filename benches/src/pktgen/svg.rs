//! Line charts as SVG: axes with round numbers, a grid, a legend.
//!
//! # References
//! SVG 1.1 (W3C Recommendation, 16 August 2011).

use std::fmt::Write;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 190.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 60.0;
/// About how many ticks an axis has.
const N_TICKS: f64 = 6.0;
/// Told apart by hue and by lightness.
const COLOURS: [&str; 6] = ["#1b6ca8", "#d1495b", "#2e933c", "#8d5a97", "#b07d12", "#333333"];
const DASHES: [&str; 6] = ["none", "7 3", "2 3", "9 3 2 3", "none", "4 4"];

/// A line.
#[derive(Clone, Debug)]
pub struct Series {
    /// What the legend calls it.
    pub name: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// How an axis counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scale {
    /// From zero.
    Linear,
    /// By powers of ten; what is not above zero is left out.
    Log,
}

/// A chart.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Above it.
    pub title: String,
    /// Below it; counts from zero.
    pub x_label: String,
    /// Beside it.
    pub y_label: String,
    /// How its height counts.
    pub y_scale: Scale,
    /// Its lines.
    pub series: Vec<Series>,
}

/// The charts, one below the other.
#[must_use]
pub fn render(charts: &[Chart]) -> String {
    let height = HEIGHT * charts.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    for (at, chart) in charts.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(svg, "<g transform=\"translate(0 {})\">", HEIGHT * at as f64);
        chart.draw(&mut svg);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

/// One axis: values to places.
struct Axis {
    low: f64,
    high: f64,
    ticks: Vec<f64>,
    scale: Scale,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64>, scale: Scale) -> Axis {
        let usable = |value: &f64| value.is_finite() && (scale == Scale::Linear || *value > 0.0);
        let (low, high) = values.filter(usable).fold((f64::INFINITY, 0.0), |(low, high), value| {
            (f64::min(low, value), f64::max(high, value))
        });
        match scale {
            Scale::Linear => {
                let step = round_step(high.max(f64::MIN_POSITIVE) / N_TICKS);
                let n = (high / step).ceil().clamp(1.0, 4.0 * N_TICKS);
                let ticks = (0..).map(f64::from).take_while(|i| *i <= n).map(|i| i * step);
                Axis { low: 0.0, high: n * step, ticks: ticks.collect(), scale }
            }
            Scale::Log => {
                let low = if low.is_finite() { low.log10().floor() } else { 0.0 };
                let high = high.max(1e-300).log10().ceil().max(low + 1.0);
                let ticks = (0..).map(|i| low + f64::from(i)).take_while(|i| *i <= high);
                Axis { low, high, ticks: ticks.map(|i| 10_f64.powf(i)).collect(), scale }
            }
        }
    }

    /// Between 0 and 1; `None` for what the axis cannot show.
    fn place(&self, value: f64) -> Option<f64> {
        let value = match self.scale {
            Scale::Linear => value,
            Scale::Log => value.log10(),
        };
        let place = (value - self.low) / (self.high - self.low);
        place.is_finite().then_some(place)
    }
}

/// The smallest of 1, 2, 5 times a power of ten that is not below `least`.
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= least);
    factor.unwrap_or(10.0) * power
}

impl Chart {
    fn draw(&self, svg: &mut String) {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let x = Axis::new(points().map(|(x, _)| *x), Scale::Linear);
        let y = Axis::new(points().map(|(_, y)| *y), self.y_scale);
        let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
        let across = |value| x.place(value).map(|place| LEFT + place * width);
        let up = |value| y.place(value).map(|place| TOP + (1.0 - place) * height);
        let text = |svg: &mut String, (x, y): (f64, f64), more: &str, text: &str| {
            let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" {more}>{}</text>", escape(text));
        };
        let (bottom, right) = (TOP + height, LEFT + width);
        text(svg, (LEFT, TOP - 20.0), "font-size=\"16\" font-weight=\"bold\"", &self.title);
        for tick in &x.ticks {
            let Some(at) = across(*tick) else { continue };
            let _ = writeln!(svg, "<path d=\"M{at:.1} {TOP}V{bottom:.1}\" stroke=\"#dddddd\"/>");
            text(svg, (at, bottom + 18.0), "text-anchor=\"middle\"", &shown(*tick));
        }
        for tick in &y.ticks {
            let Some(at) = up(*tick) else { continue };
            let _ = writeln!(svg, "<path d=\"M{LEFT} {at:.1}H{right:.1}\" stroke=\"#dddddd\"/>");
            text(svg, (LEFT - 8.0, at + 4.0), "text-anchor=\"end\"", &shown(*tick));
        }
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {TOP}V{bottom:.1}H{right:.1}\" fill=\"none\" stroke=\"#333333\"/>"
        );
        let middle = LEFT + width / 2.0;
        text(svg, (middle, bottom + 42.0), "text-anchor=\"middle\"", &self.x_label);
        let (x, y) = (24.0, TOP + height / 2.0);
        let turned = format!("text-anchor=\"middle\" transform=\"rotate(-90 {x} {y:.1})\"");
        text(svg, (x, y), &turned, &self.y_label);
        for (at, series) in self.series.iter().enumerate() {
            let places = series.points.iter().filter_map(|(x, y)| Some((across(*x)?, up(*y)?)));
            let places: Vec<_> = places.collect();
            let (colour, dash) = (COLOURS[at % COLOURS.len()], DASHES[at % DASHES.len()]);
            line(svg, &places, colour, dash);
            let y = TOP + 10.0 + 20.0 * at as f64;
            line(svg, &[(right + 14.0, y), (right + 44.0, y)], colour, dash);
            text(svg, (right + 50.0, y + 4.0), "", &series.name);
        }
    }
}

fn line(svg: &mut String, places: &[(f64, f64)], colour: &str, dash: &str) {
    let list: Vec<_> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" \
         stroke-dasharray=\"{dash}\"/>",
        list.join(" ")
    );
    for (x, y) in places {
        let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
    }
}

/// A tick, as short as it is exact.
fn shown(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML 1.0 §2.2 has no other control characters.
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether elements nest and attributes are quoted; texts and numbers of elements.
    fn parse(svg: &str) -> Result<(Vec<String>, usize), String> {
        let (mut open, mut texts, mut n) = (Vec::new(), Vec::new(), 0);
        for part in svg.split('<').skip(1) {
            let (tag, text) = part.split_once('>').ok_or(format!("unclosed tag: {part}"))?;
            if text.contains('>') {
                return Err(format!("stray bracket: {text}"));
            }
            texts.push(text.trim().to_owned());
            for entity in text.split('&').skip(1) {
                let (name, _) = entity.split_once(';').ok_or("bare ampersand")?;
                if !["amp", "lt", "gt", "quot"].contains(&name) {
                    return Err(format!("entity {name}"));
                }
            }
            if let Some(name) = tag.strip_prefix('/') {
                if open.pop() != Some(name) {
                    return Err(format!("{name} closes nothing"));
                }
                continue;
            }
            n += 1;
            if !tag.matches('"').count().is_multiple_of(2) || tag.contains("NaN") {
                return Err(format!("attributes: {tag}"));
            }
            if !tag.ends_with('/') {
                open.push(tag.split(' ').next().unwrap_or_default());
            }
        }
        if open.is_empty() { Ok((texts, n)) } else { Err(format!("still open: {open:?}")) }
    }

    fn chart(y_scale: Scale, points: Vec<(f64, f64)>) -> Chart {
        let series = vec![
            Series { name: "p50 & \"p<99>\"".into(), points },
            Series { name: "none".into(), points: Vec::new() },
        ];
        let (title, x_label) = ("Latency <h1/packet:eth0>".into(), "load, Mpps".into());
        Chart { title, x_label, y_label: "µs".into(), y_scale, series }
    }

    #[test]
    fn a_chart_has_its_labels_its_legend_and_its_points() {
        let charts = [
            chart(Scale::Linear, vec![(0.1, 1.0), (0.5, 3.0), (0.9, 27.0)]),
            chart(Scale::Log, vec![(0.1, 1.0), (0.5, 0.0), (0.9, 2700.0)]),
        ];
        let svg = render(&charts);
        let (texts, _) = parse(&svg).unwrap();
        for text in ["load, Mpps", "µs", "Latency &lt;h1/packet:eth0&gt;", "0.4", "30", "1000"] {
            assert!(texts.iter().any(|shown| shown == text), "{text} is not in {texts:?}");
        }
        // Three points, two of the other (a log of zero has no place), two ends of each legend.
        assert_eq!(svg.matches("<circle").count(), 3 + 2 + 4 * 2);
    }

    proptest! {
        #[test]
        fn whatever_is_drawn_is_well_formed(
            points in prop::collection::vec((any::<f64>(), any::<f64>()), 0..20),
            log: bool,
            name in "\\PC*",
        ) {
            let scale = if log { Scale::Log } else { Scale::Linear };
            let mut chart = chart(scale, points);
            chart.title = name;
            let parsed = parse(&render(&[chart]));
            prop_assert!(parsed.is_ok(), "{parsed:?}");
        }
    }
}

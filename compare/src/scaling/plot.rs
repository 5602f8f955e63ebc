//! The plot: time and memory, each against the number of tensors and against the size, all axes logarithmic.

use std::ops::Range;
use std::path::Path;

use plotters::prelude::*;

use super::reading::{Job, Reader};
use super::{Axis, Point};
use crate::Result;

const SIZE: (u32, u32) = (960, 720);
const FONT: &str = "sans-serif";

/// One of the four parts.
struct Panel {
    title: &'static str,
    axis: Axis,
    of: fn(&Point) -> f64,
    y: Range<f64>,
    y_text: fn(f64) -> String,
    /// Where a line begins that grows as fast as what is varied.
    proportional: Option<f64>,
    jobs: &'static [Job],
}

const PANELS: [Panel; 4] = [
    Panel {
        title: "CPU time to open and list, by tensors",
        axis: Axis::Tensors,
        of: seconds,
        y: 3e-5..10.0,
        y_text: time,
        proportional: Some(4e-5),
        jobs: &[Job::List],
    },
    Panel {
        title: "CPU time, by size (100 tensors)",
        axis: Axis::Size,
        of: seconds,
        y: 3e-5..10.0,
        y_text: time,
        proportional: Some(4e-5),
        jobs: &[Job::List, Job::Sum],
    },
    Panel {
        title: "Peak memory to open and list, by tensors",
        axis: Axis::Tensors,
        of: bytes,
        y: 1e6..2e9,
        y_text: amount,
        proportional: None,
        jobs: &[Job::List],
    },
    Panel {
        title: "Peak memory to open and list, by size (100 tensors)",
        axis: Axis::Size,
        of: bytes,
        y: 1e6..2e9,
        y_text: amount,
        proportional: None,
        jobs: &[Job::List],
    },
];

fn seconds(point: &Point) -> f64 {
    point.cpu_nanos as f64 / 1e9
}

fn bytes(point: &Point) -> f64 {
    point.peak_kib as f64 * 1024.0
}

pub fn draw(points: &[Point], file: &Path) -> Result {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    for (panel, area) in PANELS.iter().zip(root.split_evenly((2, 2))) {
        draw_panel(panel, points, &area)?;
    }
    Ok(root.present()?)
}

fn draw_panel(panel: &Panel, points: &[Point], area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>) -> Result {
    let (x, x_text): (Range<f64>, fn(f64) -> String) = match panel.axis {
        Axis::Tensors => (80.0..1.25e6, count),
        Axis::Size => (8e5..1e10, amount),
    };
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, (FONT, 17))
        .margin(12)
        .margin_right(26)
        .x_label_area_size(26)
        .y_label_area_size(58)
        .build_cartesian_2d(x.clone().log_scale(), panel.y.clone().log_scale())?;
    chart
        .configure_mesh()
        .x_label_formatter(&|x| x_text(*x))
        .y_label_formatter(&|y| (panel.y_text)(*y))
        .label_style((FONT, 12))
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(225, 225, 225))
        .axis_style(RGBColor(120, 120, 120))
        .draw()?;
    if let Some(start) = panel.proportional {
        let end = (panel.y.end * x.start / start).min(x.end);
        let line = [(x.start, start), (end, start * end / x.start)];
        let grey = RGBColor(150, 150, 150);
        chart
            .draw_series(DashedLineSeries::new(line, 2, 4, grey.stroke_width(1)))?
            .label("proportional")
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], grey));
    }
    for (reader, colour) in
        [(Reader::TorchCheckpoint, RGBColor(20, 95, 170)), (Reader::Safetensors, RGBColor(205, 85, 40))]
    {
        for &job in panel.jobs {
            let line: Vec<(f64, f64)> = points
                .iter()
                .filter(|point| point.axis == panel.axis && point.reader == reader && point.job == job)
                .map(|point| (point.at as f64, (panel.of)(point)))
                .collect();
            let fill = if job == Job::List { colour.filled() } else { WHITE.filled() };
            let what = match (panel.jobs, job) {
                ([_], _) => "",
                (_, Job::List) => ": list",
                (_, Job::Sum) => ": read every byte",
            };
            chart
                .draw_series(LineSeries::new(line.iter().copied(), colour.stroke_width(2)))?
                .label(format!("{}{what}", reader.name()))
                .legend(move |at| {
                    EmptyElement::at(at)
                        + PathElement::new([(0, 0), (16, 0)], colour.stroke_width(2))
                        + Circle::new((8, 0), 3, fill)
                        + Circle::new((8, 0), 3, colour)
                });
            chart.draw_series(line.iter().map(|&at| Circle::new(at, 3, fill)))?;
            chart.draw_series(line.iter().map(|&at| Circle::new(at, 3, colour)))?;
        }
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .label_font((FONT, 12))
        .draw()?;
    Ok(())
}

fn count(n: f64) -> String {
    match n {
        n if n < 1e3 => format!("{n:.0}"),
        n if n < 1e6 => format!("{:.0},000", n / 1e3),
        n => format!("{:.0} million", n / 1e6),
    }
}

fn amount(bytes: f64) -> String {
    match bytes {
        b if b < 1e9 => format!("{:.0} MB", b / 1e6),
        b => format!("{:.0} GB", b / 1e9),
    }
}

fn time(seconds: f64) -> String {
    match seconds {
        s if s < 1e-3 => format!("{:.1} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s => format!("{s:.0} s"),
    }
}

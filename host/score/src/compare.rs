//! The command `a2d compare`: compares systems with a baseline and tests significance.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::significance::{Outcome, approximate_randomisation, paired_bootstrap};
use super::triples::Export;
use super::{Metric, MetricOptions, Table, Watch, command, input, mcnemar, only_right, signature};
use a2d_system::error::{Error, Result};
use a2d_system::text;

/// The arguments of `a2d compare`.
#[derive(Debug, Clone, PartialEq)]
pub struct CompareRequest {
    /// The translations or labels of two or more systems, one per line; the first is the baseline.
    pub hypotheses: Vec<PathBuf>,
    /// The reference files, with as many lines.
    pub references: Vec<PathBuf>,
    /// Names from [`METRICS`](super::METRICS), in output order.
    pub metrics: Vec<String>,
    /// The settings of the metrics.
    pub options: MetricOptions,
    /// The significance test.
    pub test: Test,
    /// The seed of the random numbers.
    pub seed: u64,
    /// Write a JSON list instead of a table.
    pub json: bool,
    /// Decimal places of the table's scores.
    pub places: usize,
    /// Triples to write as well.
    pub export: Option<Export>,
}

/// A significance test and its number of draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// Paired bootstrap, with the number of resamples.
    PairedBootstrap(usize),
    /// Approximate randomisation, with the number of trials.
    ApproximateRandomisation(usize),
}

/// The results of all systems by one metric.
struct Compared {
    name: String,
    signature: String,
    outcomes: Vec<Outcome>,
    /// For each system, whether every line has the baseline's statistics. No difference is then tested.
    alike: Vec<bool>,
    /// For each system but the baseline, the p-value of McNemar's exact test, if a line is right or wrong.
    exact: Vec<Option<f64>>,
}

/// Compares the systems of `request` and writes the result to `out`.
///
/// # Errors
///
/// [`Error::Misuse`] for fewer than two systems or a repeated one, an unknown metric, a file that cannot be read, is
/// not UTF-8 or is empty, or files with different numbers of lines; [`Error::Failed`] if output cannot be written;
/// [`Error::Interrupted`].
pub fn run(request: &CompareRequest, watch: Watch, out: &mut dyn Write) -> Result<()> {
    let metrics = request.options.metrics(&request.metrics)?;
    check(request)?;
    let first = &request.hypotheses[0];
    let baseline = input::read(first)?;
    let read = |path: &PathBuf| input::read_parallel(path, first, &baseline);
    let others = request.hypotheses[1..].iter().map(read).collect::<Result<Vec<_>>>()?;
    let references = request.references.iter().map(read).collect::<Result<Vec<_>>>()?;
    let hypotheses = [vec![baseline], others].concat();
    watch.begin()?;
    let compared = metrics
        .iter()
        .map(|metric| compare(&**metric, &hypotheses, &references, request, watch))
        .collect::<Result<Vec<_>>>()?;
    let same: Vec<bool> = hypotheses.iter().map(|lines| *lines == hypotheses[0]).collect();
    let written = if request.json {
        command::write_pretty(&json_of(&compared, &same, request), out)
    } else {
        write_table(&compared, &same, request, out)
    };
    written.map_err(|e| Error::output("write", Path::new("the comparison"), &e))?;
    match &request.export {
        Some(export) => export.write(first, &hypotheses, &references[0]),
        None => Ok(()),
    }
}

fn check(request: &CompareRequest) -> Result<()> {
    let hypotheses = &request.hypotheses;
    if hypotheses.len() < 2 {
        return Err(Error::misuse("nothing to compare with: give --hypothesis twice or more"));
    }
    let source = request.export.iter().map(|export| &export.source);
    input::check_stdin(hypotheses.iter().chain(&request.references).chain(source))?;
    let twice = (1..hypotheses.len()).find(|k| hypotheses[..*k].contains(&hypotheses[*k]));
    if let Some(k) = twice {
        let name = hypotheses[k].display();
        return Err(Error::misuse(format!("the hypothesis {name} is given twice")));
    }
    match &request.export {
        Some(export) => export.check(hypotheses.len(), request.references.len()),
        None => Ok(()),
    }
}

fn compare(
    metric: &dyn Metric,
    hypotheses: &[Vec<String>],
    references: &[Vec<String>],
    request: &CompareRequest,
    watch: Watch,
) -> Result<Compared> {
    let tables = hypotheses
        .iter()
        .map(|lines| Table::watched(metric, lines, references, watch))
        .collect::<Result<Vec<_>>>()?;
    let seed = request.seed;
    let (outcomes, test) = match request.test {
        Test::PairedBootstrap(resamples) => {
            let outcomes = paired_bootstrap(metric, &tables, resamples, seed, watch)?;
            (outcomes, format!("bs:{resamples}|seed:{seed}|"))
        }
        Test::ApproximateRandomisation(trials) => {
            let outcomes = approximate_randomisation(metric, &tables, trials, seed, watch)?;
            (outcomes, format!("ar:{trials}|seed:{seed}|"))
        }
    };
    let signature = signature(metric, references.len(), &test);
    let alike = tables.iter().map(|table| *table == tables[0]).collect();
    let exact = (0..tables.len()).map(|k| exact(metric, &tables[0], &tables[k]).filter(|_| k > 0));
    Ok(Compared { name: metric.name(), signature, outcomes, alike, exact: exact.collect() })
}

/// The p-value of McNemar's exact test, if a line is right or wrong.
fn exact(metric: &dyn Metric, baseline: &Table, system: &Table) -> Option<f64> {
    let right = |table: &Table| table.rows().map(|row| metric.is_right(row)).collect();
    let (first, second): (Option<Vec<_>>, Option<Vec<_>>) = (right(baseline), right(system));
    let [first, second] = only_right(&first?, &second?);
    Some(mcnemar(first, second))
}

/// For each system: its name, whether it is the baseline, whether its translations equal the baseline's (`same`), and
/// its `scores`.
fn json_of(compared: &[Compared], same: &[bool], request: &CompareRequest) -> Vec<Value> {
    let score = |of: &Compared, system: usize| {
        let Outcome { score, interval, p_value } = of.outcomes[system];
        let mut object = json!({
            "name": of.name,
            "score": score,
            "mean": interval.map(|interval| interval.mean),
            "ci": interval.map(|interval| interval.half_width),
            "p_value": p_value,
            "alike": of.alike[system],
            "signature": of.signature,
        });
        if let Some(p) = of.exact[system] {
            object["mcnemar_p_value"] = json!(p);
        }
        object
    };
    let system = |(k, path): (usize, &PathBuf)| {
        let scores: Vec<_> = compared.iter().map(|of| score(of, k)).collect();
        json!({"system": text::name(path), "baseline": k == 0, "same": same[k], "scores": scores})
    };
    request.hypotheses.iter().enumerate().map(system).collect()
}

/// Writes a row per system and a column per metric, then the systems equal to the baseline and the signatures.
fn write_table(
    compared: &[Compared],
    same: &[bool],
    request: &CompareRequest,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut columns = vec![names(request)];
    columns.extend(compared.iter().map(|of| column(of, request.places)));
    let width = |column: &Vec<String>| column.iter().map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = columns.iter().map(|column| width(column).unwrap_or(0)).collect();
    for row in 0..columns[0].len() {
        let cells = columns.iter().zip(&widths);
        let cells: Vec<_> = cells.map(|(cells, w)| format!("{:<w$}", cells[row])).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    let rule = match request.test {
        Test::PairedBootstrap(_) => "μ ± 95 % CI; * p ≤ 0.05 against the baseline",
        Test::ApproximateRandomisation(_) => "* p ≤ 0.05 against the baseline",
    };
    writeln!(out, "{rule}")?;
    for (k, path) in request.hypotheses.iter().enumerate().skip(1) {
        let alike = compared.iter().filter(|of| of.alike[k]).map(|of| of.name.as_str());
        let alike = alike.collect::<Vec<_>>().join(", ");
        let name = text::name(path);
        match (same[k], alike.is_empty()) {
            (true, _) => writeln!(out, "{name}: the same lines as the baseline's")?,
            (false, false) => {
                writeln!(out, "{name}: no line differs from the baseline's in {alike}")?
            }
            (false, true) => {}
        }
    }
    compared.iter().try_for_each(|of| writeln!(out, "{}|{}", of.name, of.signature))
}

fn names(request: &CompareRequest) -> Vec<String> {
    let names = request.hypotheses.iter().map(|path| text::name(path));
    let names =
        names.enumerate().map(|(k, name)| if k == 0 { format!("Baseline: {name}") } else { name });
    [String::from("System")].into_iter().chain(names).collect()
}

fn column(of: &Compared, places: usize) -> Vec<String> {
    let cell = |(outcome, (alike, exact)): (&Outcome, (&bool, &Option<f64>))| {
        let mut cell = format!("{:.places$}", outcome.score);
        if let Some(interval) = outcome.interval {
            let (mean, half) = (interval.mean, interval.half_width);
            cell += &format!(" ({mean:.places$} ± {half:.places$})");
        }
        if let Some(p) = outcome.p_value {
            cell += &format!(" (p = {p:.4}){}", if p <= 0.05 && !alike { "*" } else { "" });
        }
        if let Some(p) = exact {
            cell += &format!(" (McNemar p = {p:.4}){}", if *p <= 0.05 { "*" } else { "" });
        }
        cell
    };
    let cells = of.outcomes.iter().zip(of.alike.iter().zip(&of.exact)).map(cell);
    [of.name.clone()].into_iter().chain(cells).collect()
}

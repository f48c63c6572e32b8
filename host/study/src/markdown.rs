//! The results as Markdown.

use serde_json::Value;
use std::fmt::Write;

/// The tables of all data sets and test sets, and the notes.
pub fn table(study: &Value) -> String {
    let mut out = String::new();
    for data in list(&study["data"]) {
        for test in list(&data["tests"]) {
            _ = writeln!(out, "### {}, {}\n", text(&data["name"]), text(&test["name"]));
            one(study, data, test, &mut out);
            out.push('\n');
        }
    }
    out += &legend(study);
    for note in list(&study["notes"]) {
        _ = writeln!(out, "- Note: {}.", text(note));
    }
    out
}

/// The table of a test set: the teachers, then a row for each student and method.
fn one(study: &Value, data: &Value, test: &Value, out: &mut String) {
    let metrics: Vec<&str> = list(&data["metrics"]).iter().map(|m| text(&m["name"])).collect();
    let mut head = vec!["student".to_owned(), "method".to_owned(), "parameters".to_owned()];
    for metric in list(&data["metrics"]) {
        let unit = metric["unit"].as_str().map_or(String::new(), |unit| format!(", {unit}"));
        head.extend([format!("{}{unit}", text(&metric["name"])), "Δ".to_owned()]);
    }
    head.extend(["gap closed", "ms a step", "MiB"].map(str::to_owned));
    row(&head, out);
    row(&vec!["---".to_owned(); head.len()], out);
    let (name, set) = (&data["name"], text(&test["name"]));
    for teacher in list(&study["teachers"]).iter().filter(|of| of["data"] == *name) {
        let mut cells = vec![format!("teacher {}", text(&teacher["teacher"])), String::new()];
        cells.push(whole(&teacher["parameters"]));
        for metric in &metrics {
            cells.extend([fixed(&teacher["scores"][set][metric], 2), String::new()]);
        }
        cells.push(String::new());
        cells.extend(usage(&[&teacher["usage"]]));
        row(&cells, out);
    }
    let results = list(&study["results"]);
    let of_test = |of: &&Value| of["data"] == *name && of["test"] == test["name"];
    let results: Vec<&Value> = results.iter().filter(of_test).collect();
    for result in results.iter().filter(|of| text(&of["metric"]) == metrics[0]) {
        row(&cells_of(study, result, &results, &metrics), out);
    }
}

/// The row of a student and a method.
fn cells_of(study: &Value, first: &Value, results: &[&Value], metrics: &[&str]) -> Vec<String> {
    let same = |of: &Value| {
        ["data", "student", "method", "teacher"].iter().all(|key| of[*key] == first[*key])
    };
    let cells: Vec<&Value> = list(&study["cells"]).iter().filter(|of| same(of)).collect();
    let method = match first["teacher"].as_str().filter(|_| several_teachers(study, first)) {
        Some(teacher) => format!("{} from {teacher}", text(&first["method"])),
        None => text(&first["method"]).to_owned(),
    };
    let size = cells.first().map_or(String::new(), |cell| whole(&cell["parameters"]));
    let mut row = vec![text(&first["student"]).to_owned(), method, size];
    for metric in metrics {
        let found = results.iter().find(|of| same(of) && text(&of["metric"]) == *metric);
        let Some(result) = found else { continue };
        row.push(format!("{}{}", fixed(&result["mean"], 2), spread(result)));
        row.push(difference(result));
    }
    let gap = first["gap_closed"].as_f64();
    row.push(gap.map_or(String::new(), |gap| format!("{:.0} %", 100.0 * gap)));
    row.extend(usage(&cells.iter().map(|cell| &cell["usage"]).collect::<Vec<_>>()));
    row
}

fn several_teachers(study: &Value, of: &Value) -> bool {
    list(&study["teachers"]).iter().filter(|teacher| teacher["data"] == of["data"]).count() > 1
}

fn spread(result: &Value) -> String {
    let deviation = result["deviation"].as_f64();
    let all = list(&result["scores"]);
    let known = all.iter().filter(|score| !score.is_null()).count();
    let missing = match known < all.len() {
        true => format!(" ({known} of {} seeds)", all.len()),
        false => String::new(),
    };
    deviation.map_or(String::new(), |deviation| format!(" ± {deviation:.2}")) + &missing
}

fn difference(result: &Value) -> String {
    let Some(difference) = result["difference"].as_f64() else { return String::new() };
    let significant = result["p_holm"].as_f64().is_some_and(|p| p <= 0.05);
    format!("{difference:+.2}{}", if significant { " *" } else { "" })
}

/// The median time of a step in milliseconds, and the largest memory in MiB.
fn usage(of: &[&Value]) -> [String; 2] {
    let mut steps: Vec<f64> = of.iter().filter_map(|of| of["step_seconds"].as_f64()).collect();
    steps.sort_by(f64::total_cmp);
    let bytes = of.iter().filter_map(|of| of["peak_memory_bytes"].as_u64()).max();
    let step = steps.get(steps.len() / 2).map_or(String::new(), |s| format!("{:.1}", 1e3 * s));
    [step, bytes.map_or(String::new(), |bytes| (bytes >> 20).to_string())]
}

fn legend(study: &Value) -> String {
    let seeds = list(&study["seeds"]).len();
    let mut text_of = format!("Mean ± standard deviation of {seeds} seeds. ");
    if let Some(baseline) = study["baseline"].as_str() {
        let significance = &study["significance"];
        _ = write!(
            text_of,
            "Δ is the difference from {baseline}; * is significant at 5 %: paired bootstrap ({} resamples), Holm's correction \
             over {} comparisons. ",
            significance["resamples"], significance["comparisons"]
        );
    }
    if let Some(alone) = study["alone"].as_str() {
        _ = write!(text_of, "Gap closed: the share of the way from {alone} to the teacher. ");
    }
    for data in list(&study["data"]) {
        let budget = match data["budget"]["updates"].as_u64() {
            Some(updates) => format!("{updates} updates"),
            None => format!("{} minutes", data["budget"]["minutes"]),
        };
        _ = write!(text_of, "Students on {} train for {budget}. ", text(&data["name"]));
    }
    text_of.trim_end().to_owned() + "\n"
}

fn row(cells: &[String], out: &mut String) {
    let cells: Vec<_> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    _ = writeln!(out, "| {} |", cells.join(" | "));
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn fixed(value: &Value, places: usize) -> String {
    value.as_f64().map_or("–".to_owned(), |x| format!("{x:.places$}"))
}

fn whole(value: &Value) -> String {
    let thousands = |n: u64| a2d_system::output::thousands(n as usize);
    value.as_u64().map_or(String::new(), thousands)
}

//! Triples of source, translation and reference for every model and test set, in COMET's input format.

use crate::goal::Goal;
use crate::grid::Grid;
use crate::tasks::Task;
use a2d_score::triples::Export;
use a2d_system::error::Result;
use a2d_system::files::make_folder_of;
use a2d_system::text::read_lines;

/// Writes the triples of all translations that are there.
///
/// # Errors
///
/// A text cannot be read, or a file cannot be written.
pub fn write(grid: &Grid<'_>) -> Result<()> {
    if grid.study.goal != Goal::Translations {
        return Ok(());
    }
    for model in grid.scored() {
        for (test, set) in grid.study.data[model.data()].tests.iter().enumerate() {
            if !grid.is_done(Task::Read(model, test)) {
                continue;
            }
            let path = grid.layout.output(grid.study, model, test);
            let file = grid.layout.triples(grid.study, model, test);
            make_folder_of(&file)?;
            let export = Export { source: set.source.clone(), files: vec![file] };
            let (hypothesis, reference) = (read_lines(&path)?, read_lines(&set.reference)?);
            export.write(&path, &[hypothesis], &reference)?;
        }
    }
    Ok(())
}

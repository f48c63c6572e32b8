//! End-to-end tests of the real binary on real text: from two text files to scores, errors on wrong input, and recovery
//! from interruptions.

#[path = "cli/bad_input.rs"]
mod bad_input;
#[path = "cli/begins.rs"]
mod begins;
#[path = "cli/boards.rs"]
mod boards;
#[path = "cli/configuration.rs"]
mod configuration;
#[path = "cli/controls.rs"]
mod controls;
#[path = "cli/desk.rs"]
mod desk;
#[cfg(feature = "distributed")]
#[path = "cli/distributed.rs"]
mod distributed;
#[path = "cli/faults.rs"]
mod faults;
#[path = "cli/features.rs"]
mod features;
#[path = "cli/formats.rs"]
mod formats;
#[path = "cli/hostile.rs"]
mod hostile;
#[path = "cli/image.rs"]
mod image;
#[path = "cli/kills.rs"]
mod kills;
#[path = "cli/large.rs"]
mod large;
#[path = "cli/launcher.rs"]
mod launcher;
#[path = "cli/long_streams.rs"]
mod long_streams;
#[path = "cli/names.rs"]
mod names;
#[path = "cli/options.rs"]
mod options;
#[path = "cli/processors.rs"]
mod processors;
#[path = "cli/progress.rs"]
mod progress;
#[path = "cli/resume.rs"]
mod resume;
#[path = "cli/selection.rs"]
mod selection;
#[path = "cli/selective.rs"]
mod selective;
#[path = "cli/seq_kd.rs"]
mod seq_kd;
#[path = "cli/stages.rs"]
mod stages;
#[cfg(unix)]
#[path = "cli/streaming.rs"]
mod streaming;
#[path = "cli/study.rs"]
mod study;
#[path = "cli/teachers.rs"]
mod teachers;
#[cfg(unix)]
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/texts.rs"]
mod texts;
#[path = "cli/tokenizer.rs"]
mod tokenizer;
#[path = "cli/whole_way.rs"]
mod whole_way;

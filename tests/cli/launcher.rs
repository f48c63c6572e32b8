//! Several processes of an MPI launcher that run a command for one process.

use crate::desk::{Desk, Done, done};
use a2d_host::train::ranks::{BUILT, Launch, Ranks};

/// Runs a line as rank `rank` of two.
fn as_rank(desk: &Desk, rank: usize, line: &str) -> Done {
    let mut command = desk.command(line);
    let rank = rank.to_string();
    for (name, value) in [("RANK", &rank[..]), ("SIZE", "2"), ("LOCAL_RANK", &rank)] {
        command.env(format!("OMPI_COMM_WORLD_{name}"), value);
    }
    done(command.output().unwrap())
}

/// Asserts that rank 0 fails with a one-line error with all `parts`, and that rank 1 exits with 0 and prints nothing.
#[track_caller]
fn refused_once(desk: &Desk, line: &str, parts: &[&str]) {
    let first = as_rank(desk, 0, line);
    let one = first.err.starts_with("error: ") && first.err.lines().count() == 1;
    assert!(one && first.code == Some(2), "{line}: {first:#?}");
    assert!(parts.iter().all(|part| first.err.contains(part)), "{line}: {}", first.err);
    let second = as_rank(desk, 1, line);
    assert_eq!((second.code, &second.out[..], &second.err[..]), (Some(0), "", ""), "{line}");
}

#[test]
fn several_processes_do_what_several_can_do() {
    let desk = Desk::new();
    for line in [
        "translate run",
        "devices",
        "prepare --source-lang de --target-lang en \
                  --train train --valid valid --out data",
    ] {
        refused_once(&desk, line, &["only `host train` and `host distill`", "one of 2"]);
    }
    refused_once(&desk, "train tiny.toml --fly", &["'--fly'"]);
    assert!(!desk.path("data").exists());
    if !BUILT {
        for verb in ["train", "distill"] {
            let line = format!("{verb} tiny.toml --out run");
            refused_once(&desk, &line, &["one process", "`--features distributed`"]);
        }
        assert!(!desk.path("run").exists());
    }
}

#[test]
fn a_launcher_is_known_by_its_environment() {
    let launch = |variables: &[(&str, &str)]| {
        let variables: Vec<_> = variables.to_vec();
        Launch::of(move |name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    };
    let threads = |launch: &Launch| launch.threads(9).map(usize::from);
    let open_mpi = [
        ("OMPI_COMM_WORLD_RANK", "5"),
        ("OMPI_COMM_WORLD_SIZE", "8"),
        ("OMPI_COMM_WORLD_LOCAL_RANK", "1"),
        ("OMPI_COMM_WORLD_LOCAL_SIZE", "4"),
    ];
    let found = launch(&open_mpi);
    assert_eq!((found.rank, found.size, found.local), (5, 8, Some((1, 4))));
    assert_eq!(threads(&found), Some(2), "the cores are shared");
    let bound = [&open_mpi[..], &[("OMPI_MCA_orte_bound_at_launch", "1")]].concat();
    assert_eq!(threads(&launch(&bound)), None, "each has cores of its own");
    let hydra = launch(&[("PMI_RANK", "1"), ("PMI_SIZE", "2")]);
    assert_eq!((hydra.rank, hydra.size, hydra.local), (1, 2, None));
    for none in [
        &[][..],
        &[("SLURM_STEP_NUM_TASKS", "4"), ("SLURM_PROCID", "0")],
        &[("PMI_RANK", "x"), ("PMI_SIZE", "2")],
        &[("PMI_RANK", "2"), ("PMI_SIZE", "2")],
    ] {
        assert_eq!(launch(none), Launch::ALONE, "{none:?}");
    }
}

#[test]
fn ranks_share_all_items_once() {
    for weights in [&[][..], &[7], &[9, 1, 1], &[1, 1, 9], &[5; 10], &[30, 20, 10, 5, 5, 2, 1]] {
        for size in 1..5 {
            let shares: Vec<_> = (0..size).map(|rank| Ranks::part(weights, rank, size)).collect();
            let joined: Vec<_> = shares.iter().cloned().flatten().collect();
            assert_eq!(joined, (0..weights.len()).collect::<Vec<_>>(), "{weights:?} by {size}");
            let sums = shares.into_iter().map(|share| weights[share].iter().sum::<usize>());
            let most = weights.iter().max().copied().unwrap_or(0);
            let fair = weights.iter().sum::<usize>().div_ceil(size);
            assert!(sums.max().unwrap() <= fair + most, "{weights:?} by {size}");
        }
    }
}

#[test]
fn a_process_by_itself_needs_no_other() {
    let ranks = Ranks::alone();
    assert!(ranks.is_first() && ranks.size() == 1 && ranks.local().is_none());
    assert_eq!(ranks.share(&[3, 1]), 0..2);
    assert_eq!(ranks.sum(vec![0.1, -0.0]), [0.1, -0.0]);
    assert_eq!(ranks.largest([3, 0]), [3, 0]);
    assert!(ranks.same(7) && ranks.smallest(4) == 4);
    assert_eq!(ranks.found(|| Ok([-1.5, f64::INFINITY])), Ok([-1.5, f64::INFINITY]));
    assert_eq!(ranks.after_first(|| Ok(3)), Ok(3));
    let wrong = a2d_host::system::error::Error::misuse("wrong");
    assert_eq!(ranks.agree::<()>(Err(wrong.clone())), Err(wrong));
}

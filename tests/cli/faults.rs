//! Faults of an unattended run: disk full, a lost permission, a NaN loss, and a second process in the same folder.

use crate::desk::{Desk, Done, copy, disturbed, done, send};
use crate::resume::{progress, same};
use a2d_tests::helpers::skip::skipped;
use std::process::Command;

#[test]
fn a_loss_that_is_no_number_stops_before_it_is_saved() {
    let desk = Desk::with_run();
    let line = "train tiny.toml --data data --set train.warmup_updates=0 --set train.lr=1e30";
    desk.refused(
        &format!("{line} --out new --set train.save_interval_updates=1"),
        1,
        &["the loss after update 1 is NaN", "lr 1.00e30", "no checkpoint was saved yet"],
    );
    desk.refused(&format!("{line} --out one --set train.max_update=1"), 1, &["after update 1 is"]);
    desk.refused(&format!("{line} --out two"), 1, &["the loss of update 2 is NaN"]);
    for run in ["new", "one", "two"] {
        for file in ["last", "best"] {
            assert!(!desk.path(&format!("{run}/{file}.safetensors")).exists(), "{run}");
        }
    }

    desk.host("train tiny.toml --data data --out run --quiet").well();
    let last = std::fs::read(desk.path("run/last.safetensors")).unwrap();
    let worse = desk.host(&format!("{line} --out run --resume --set train.max_update=40 --quiet"));
    assert_eq!(worse.code, Some(1), "{worse:#?}");
    let good = "the last good checkpoint is run/last.safetensors (update 24)";
    assert!(worse.err.contains("update 26") && worse.err.contains(good), "{}", worse.err);
    assert!(std::fs::read(desk.path("run/last.safetensors")).unwrap() == last);
    let resume = "train tiny.toml --data data --out run --resume --set train.max_update=30 --quiet";
    desk.host(resume).well();
    assert_eq!(progress(&desk, "run").update, 30);
}

#[test]
fn a_rate_too_high_is_halved_until_it_serves() {
    let desk = Desk::with_run();
    let line = "train tiny.toml --data data --set train.warmup_updates=0 --set train.lr=1e6 --on-nan retry";
    let done = desk.host(&format!("{line} --out run --set train.save_interval_updates=2"));
    assert!(done.err.contains("goes on from update 2 with 0.5 of the rate"), "{}", done.err);
    done.well();
    let (log, retries) = (desk.log("run"), progress(&desk, "run").retries);
    let backs: Vec<_> = log.iter().filter(|line| line["event"] == "rolled back").collect();
    assert!(retries > 0 && backs.len() <= retries as usize, "{retries}: {backs:#?}");
    let last = backs.last().unwrap();
    assert_eq!(last["lr_scale"], 0.5f64.powi(retries as i32));
    let updates: Vec<_> = log.iter().filter(|line| line.get("ce").is_some()).collect();
    assert_eq!(updates.len(), 24, "what was taken back is not in the log");
    let rates = [0, 23].map(|i: usize| updates[i]["lr"].as_f64().unwrap());
    assert!(rates[1] < 1e6 * 0.5f64.powi(retries as i32), "{rates:?}");

    let hopeless = line.replace("1e6", "1e30");
    desk.refused(
        &format!("{hopeless} --out no"),
        1,
        &["the loss of update 2 is NaN", "lr 3.91e27"],
    );
}

/// Runs `line` with file sizes limited to `kilobytes`.
#[cfg(unix)]
fn limited(desk: &Desk, line: &str, kilobytes: usize) -> Done {
    let blocks = 2 * kilobytes;
    let host = desk.command(line);
    let mut shell = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    shell.args(["-c", &script]).arg(host.get_program()).args(host.get_args());
    done(shell.current_dir(desk.path("")).output().unwrap())
}

#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_earlier_checkpoint() {
    let desk = Desk::new();
    desk.host("train tiny.toml --out run --quiet").well();
    desk.host("train tiny.toml --out whole --quiet --set train.max_update=40").well();
    let last = std::fs::read(desk.path("run/last.safetensors")).unwrap();
    let line = "train tiny.toml --out run --resume --quiet --set train.max_update=40";
    let done = limited(&desk, line, 64);
    assert_eq!(done.code, Some(1), "{done:#?}");
    let told = "error: cannot write run/last.safetensors: file too large\n";
    assert_eq!(done.err, told);
    assert!(std::fs::read(desk.path("run/last.safetensors")).unwrap() == last);
    let names = std::fs::read_dir(desk.path("run")).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(!names.any(|name| name.starts_with(".writing-")), "nothing half-written stays");
    desk.host("translate run --input test.de").well();
    desk.host(line).well();
    assert!(desk.tensors("run/last.safetensors") == desk.tensors("whole/last.safetensors"));
}

/// The disk of a run is full; once space is free, the run resumes. The disk is a tmpfs of its own.
#[cfg(target_os = "linux")]
#[test]
fn a_full_file_system_costs_nothing_but_time() {
    let desk = Desk::new();
    desk.host("train tiny.toml --out run --quiet").well();
    copy(&desk.path("run"), &desk.path("whole"));
    desk.host("train tiny.toml --out whole --resume --quiet --set train.max_update=40").well();
    std::fs::create_dir(desk.path("small")).unwrap();
    let host =
        desk.command("train tiny.toml --out small/run --resume --quiet --set train.max_update=40");
    let script = r#"
        mount -t tmpfs -o size=2m none small || exit 77
        cp -r run small/run
        head -c 2m /dev/zero > small/rest 2>/dev/null; truncate -s -48k small/rest
        "$0" "$@" > out; echo "code $?"
        cmp run/last.safetensors small/run/last.safetensors && echo intact
        ls -A small/run | grep -c writing
        rm small/rest
        "$0" "$@" > out; echo "code $?"
        cp -r small/run after"#;
    let mut shell = Command::new("unshare");
    shell.args(["--map-root-user", "--mount", "sh", "-c", script]).current_dir(desk.path(""));
    let done = done(shell.arg(host.get_program()).args(host.get_args()).output().unwrap());
    if done.code == Some(77) || done.err.starts_with("unshare:") {
        skipped(&format!("nothing can be mounted here: {}", done.err.trim_end()));
        return;
    }
    assert_eq!(done.out, "code 1\nintact\n0\ncode 0\n", "{}", done.err);
    let one =
        done.err.starts_with("error: cannot write small/run/") && done.err.lines().count() == 1;
    assert!(one && done.err.ends_with(": no space left on device\n"), "{}", done.err);
    same(&desk, "whole", "after");
}

/// The command of a line as a user other than root, since permissions do not bind root.
#[cfg(target_os = "linux")]
fn bound(desk: &Desk, line: &str) -> Command {
    let host = desk.command(line);
    let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let mut command = if is_root {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(host.get_program());
        command
    } else {
        Command::new(host.get_program())
    };
    command.args(host.get_args()).current_dir(desk.path(""));
    for (key, value) in host.get_envs() {
        command.env(key, value.unwrap());
    }
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    command
}

#[cfg(target_os = "linux")]
#[test]
fn a_permission_that_is_lost_leaves_the_earlier_checkpoint() {
    let desk = Desk::with_run();
    let line = "train tiny.toml --data data --set train.max_tokens=60 --set train.max_update=120 \
                --set train.save_interval_updates=20 --set train.valid_bleu_sentences=4";
    desk.host(&format!("{line} --out whole --quiet")).well();
    let shell = |script: &str| {
        let mut shell = Command::new("sh");
        assert!(shell.args(["-c", script]).current_dir(desk.path("")).status().unwrap().success());
    };
    shell("chmod -R a+rX . && mkdir open && chmod a+rwx open");
    let done = disturbed(bound(&desk, &format!("{line} --out open/run")), "model 30/120", |_| {
        shell("chmod a-w open/run")
    });
    assert_eq!(done.code, Some(1), "{done:#?}");
    let told = "error: cannot write open/run/last.safetensors: permission denied";
    assert_eq!(done.err.lines().last(), Some(told));
    shell("chmod u+w open/run");
    let at = progress(&desk, "open/run").update;
    assert!(at >= 20 && at.is_multiple_of(20), "the checkpoint of update {at} is whole");
    disturbed(bound(&desk, &format!("{line} --out open/run --resume")), "ends after 120", |_| {})
        .well();
    same(&desk, "whole", "open/run");
}

#[cfg(unix)]
#[test]
fn two_processes_do_not_train_in_one_folder() {
    let desk = Desk::with_run();
    // No checkpoint is saved before the signal: the other processes would check its configuration before the lock.
    let line = "train tiny.toml --data data --out run --set train.validate_interval=1000000 \
                --set train.max_update=100000000";
    let done = desk.meanwhile(line, "model 5/", |child| {
        let process = format!("process {} trains in run", child.id());
        for other in [
            format!("{line} --resume"),
            line.replace("train tiny", "distill tiny") + " --method none",
        ] {
            let other =
                if other.contains("--resume") { other } else { format!("{other} --resume") };
            let done = desk.host(&format!("{other} --quiet"));
            assert!(done.code == Some(2) && done.err.contains(&process), "{done:#?}");
        }
        desk.host("translate full --input test.de").well();
        send("-INT", child);
    });
    assert_eq!(done.code, Some(130), "{done:#?}");
    desk.host(&line.replace("max_update=100000000", "max_update=10 --resume")).well();
}

/// Each process asks for another vocabulary size: data in use must not be prepared again.
#[test]
fn of_processes_that_begin_one_run_at_once_one_does() {
    let desk = Desk::new();
    let begin = |size: usize| {
        let line = format!("train tiny.toml --out run --quiet --set data.vocab_size={size}");
        desk.command(&line).spawn().unwrap()
    };
    let all: Vec<_> = [200, 250, 300].map(begin).into_iter().collect();
    let all: Vec<Done> = all.into_iter().map(|one| done(one.wait_with_output().unwrap())).collect();
    let (well, refused): (Vec<_>, Vec<_>) = all.iter().partition(|one| one.code == Some(0));
    assert_eq!(well.len(), 1, "{all:#?}");
    for one in refused {
        let says = ["trains in run", "run holds a run"].iter().any(|text| one.err.contains(text));
        assert!(one.code == Some(2) && says, "{one:#?}");
    }
    desk.host("translate run --input test.de").well();
    a2d_host::run::prepared::Prepared::open(&desk.path("run/data")).unwrap();
}

#[test]
fn of_processes_that_prepare_one_folder_at_once_one_writes() {
    let desk = Desk::new();
    let line = "prepare --source-lang de --target-lang en --train train --valid valid --quiet";
    let begin = |size: usize| {
        desk.command(&format!("{line} --out data --vocab-size {size}")).spawn().unwrap()
    };
    let all: Vec<_> = [200, 250, 300].map(begin).into_iter().collect();
    for one in all.into_iter().map(|one| done(one.wait_with_output().unwrap())) {
        let refused = one.code == Some(2) && one.err.contains("prepares data in data");
        assert!(refused || one.code == Some(0), "{one:#?}");
    }
    a2d_host::run::prepared::Prepared::open(&desk.path("data")).unwrap();
    assert!(!desk.path("data/.preparing").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_that_is_closed_ends_what_nohup_does_not_keep() {
    let desk = Desk::with_run();
    let line = "train tiny.toml --data data --out run --set train.max_update=100000";
    let done = desk.interrupted(line, "model 5/", "-HUP");
    assert_eq!(done.code, Some(129), "{done:#?}");
    let at = progress(&desk, "run").update;
    assert!(at >= 5, "what was learned is saved: {at}");
    let kept = line.replace("100000", "60").replace("run", "kept");
    let host = desk.command(&kept);
    let mut nohup = Command::new("sh");
    nohup.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(host.get_program());
    nohup.args(host.get_args()).current_dir(desk.path("")).stderr(std::process::Stdio::piped());
    let done = disturbed(nohup, "model 5/", |child| send("-HUP", child));
    assert_eq!(done.code, Some(0), "{done:#?}");
}

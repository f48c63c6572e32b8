//! Says which loop the target has: the features of its processors are not configuration values of stable Rust.

use std::env;

fn main() {
    let target = env::var("TARGET").unwrap_or_default();
    let extended = env::var_os("CARGO_FEATURE_SMLAD").is_some();
    let starts = |names: &[&str]| names.iter().any(|name| target.starts_with(name));
    let linux = env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    if starts(&["thumbv7em"]) || linux && starts(&["armv7", "thumbv7neon"]) {
        println!("cargo::rustc-cfg=smlad");
    } else if extended && starts(&["thumbv8m.main"]) {
        println!("cargo::rustc-cfg=smlad");
        println!("cargo::rustc-cfg=extended");
    } else if starts(&["thumbv6m", "thumbv8m.base"]) {
        println!("cargo::rustc-cfg=thumb1");
    }
    println!("cargo::rerun-if-changed=build.rs");
}

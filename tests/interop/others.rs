//! Folders of a kind that is not supported yet.

use crate::folders::{self, label};
use a2d_tests::helpers::skip::skipped;

#[test]
fn other_kinds_are_refused() {
    for folder in folders::all() {
        if let Some(kind) =
            folders::kind(folder).filter(|kind| !["bert", "marian"].contains(&kind.as_str()))
        {
            let refused = a2d_interop::import(folder).unwrap_err().to_string();
            assert!(refused.contains(&format!("{kind:?}")), "{}: {refused}", label(folder));
            skipped(&format!("{}: models of the type {kind} are not supported yet", label(folder)));
        }
    }
}

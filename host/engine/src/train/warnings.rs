//! Warnings about the outcome of a distillation, with what to do.

use a2d_score::{Judge, Quality, judge};

/// A translation below these has next to nothing in common with its reference, and a student learns that. Where BLEU
/// does not suit the language, chrF does: a teacher is weak that reaches neither.
const WEAK_BLEU: f64 = 5.0;
/// As [`WEAK_BLEU`].
const WEAK_CHRF: f64 = 30.0;

/// BLEU and chrF.
type Pair = [f64; 2];

/// The scores that a warning is about.
pub(super) fn pair(quality: &Quality) -> Pair {
    [quality.bleu.score, quality.chrf.score]
}

/// What to do about a teacher.
const BETTER_TEACHER: &str =
    "train it longer, on more text or with another learning rate, or take another teacher";

/// What is wrong with the translations of a teacher, beside those of the student trained alone, if anything is.
pub(super) fn of_teacher(teacher: Pair, alone: Option<Pair>) -> Option<String> {
    let [bleu, chrf] = teacher;
    if bleu < WEAK_BLEU && chrf < WEAK_CHRF {
        return Some(format!(
            "the teacher is weak ({bleu:.2} BLEU, {chrf:.2} chrF2), and a student learns its errors: {BETTER_TEACHER}"
        ));
    }
    let alone = alone?;
    let known = |[bleu, chrf]: Pair| (Some(bleu), Some(chrf));
    let (place, name) = match judge(&[known(teacher), known(alone)])? {
        Judge::Bleu => (0, "BLEU"),
        Judge::Chrf => (1, "chrF2"),
    };
    no_better(teacher[place], alone[place], name)
}

/// A teacher with a score that is not above that of the student trained alone.
pub(super) fn no_better(teacher: f64, alone: f64, score: &str) -> Option<String> {
    (teacher <= alone).then(|| {
        format!(
            "the teacher ({teacher:.2} {score}) is no better than the student alone ({alone:.2}): {BETTER_TEACHER}"
        )
    })
}

/// A student whose score differs by `difference` from that of the one trained alone, if it is worse by more than chance.
pub(super) fn of_student(difference: f64, score: &str, significant: bool) -> Option<String> {
    (difference < 0.0 && significant).then(|| {
        format!(
            "the student is {:.2} {score} behind the one trained alone: take a better teacher, another \
             `distill.method` or smaller weights of its terms",
            -difference
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_teacher_is_weak_by_itself_or_beside_the_student_alone() {
        let cases: [(Pair, Option<Pair>, Option<&str>); 9] = [
            ([4.9, 29.9], None, Some("is weak (4.90 BLEU, 29.90 chrF2)")),
            ([0.0, 0.0], Some([0.0, 0.0]), Some("is weak")),
            ([4.9, 30.0], None, None),
            ([5.0, 20.0], None, None),
            ([0.0, 60.0], Some([0.0, 50.0]), None),
            (
                [0.0, 50.0],
                Some([0.0, 60.0]),
                Some("(50.00 chrF2) is no better than the student alone (60.00)"),
            ),
            (
                [20.0, 40.0],
                Some([20.0, 30.0]),
                Some("(20.00 BLEU) is no better than the student alone (20.00)"),
            ),
            ([20.0, 40.0], Some([19.9, 50.0]), None),
            ([20.0, 40.0], None, None),
        ];
        for (teacher, alone, says) in cases {
            let told = of_teacher(teacher, alone);
            let right = match (&told, says) {
                (Some(told), Some(says)) => told.contains(says) && told.lines().count() == 1,
                (told, says) => told.is_none() && says.is_none(),
            };
            assert!(right, "{teacher:?} {alone:?}: {told:?}");
        }
    }

    #[test]
    fn a_student_falls_behind_by_more_than_chance() {
        let behind = of_student(-1.5, "BLEU", true).unwrap();
        assert!(behind.starts_with("the student is 1.50 BLEU behind"), "{behind}");
        for (difference, significant) in [(-1.5, false), (1.5, true), (0.0, true)] {
            assert_eq!(of_student(difference, "BLEU", significant), None, "{difference}");
        }
    }
}

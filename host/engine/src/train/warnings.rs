//! Warnings about the outcome of a distillation, with what to do.

use super::against::Against;
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

/// What is wrong with the scores of a teacher, beside those of the student trained alone, if anything is.
pub(super) fn of_teacher(teacher: Pair, alone: Option<Pair>) -> Option<String> {
    let [bleu, chrf] = teacher;
    let how =
        "train it longer, on more text or with another learning rate, or take another teacher";
    if bleu < WEAK_BLEU && chrf < WEAK_CHRF {
        return Some(format!(
            "the teacher is weak ({bleu:.2} BLEU, {chrf:.2} chrF2), and a student learns its errors: {how}"
        ));
    }
    let alone = alone?;
    let known = |[bleu, chrf]: Pair| (Some(bleu), Some(chrf));
    let (place, name) = match judge(&[known(teacher), known(alone)])? {
        Judge::Bleu => (0, "BLEU"),
        Judge::Chrf => (1, "chrF2"),
    };
    let [own, other] = [teacher, alone].map(|scores| scores[place]);
    (own <= other).then(|| {
        format!(
            "the teacher ({own:.2} {name}) is no better than the student alone ({other:.2}): {how}"
        )
    })
}

/// What is wrong with a student that is compared with the one trained alone, if it is worse by more than chance.
pub(super) fn of_student(against: &Against) -> Option<String> {
    let behind = -against.difference;
    (behind > 0.0 && against.is_significant()).then(|| {
        format!(
            "the student is {behind:.2} BLEU behind the one trained alone: take a better teacher, another \
             `distill.method` or smaller weights of its terms"
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
        let told = |difference, p_value| of_student(&Against::known(difference, p_value));
        let behind = told(-1.5, Some(0.01)).unwrap();
        assert!(behind.starts_with("the student is 1.50 BLEU behind"), "{behind}");
        for (difference, p) in [(-1.5, Some(0.05)), (1.5, Some(0.01)), (0.0, None), (-0.1, None)] {
            assert_eq!(told(difference, p), None, "{difference} {p:?}");
        }
    }
}

//! A firmware's `main`, on the machine that builds it.

use a2d_core::micro::{Error, Model, Options, Translator};
use consumer::{LIMITS, translate};

/// What begins where an image and an arena may.
#[repr(C, align(16))]
struct Aligned<T: ?Sized>(T);

/// `A2D_IMAGE` is its path, which `tests/device/run.sh consumer` sets.
static IMAGE: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("A2D_IMAGE")));

/// More than the model needs: a test does not save.
const ROOM: usize = 1 << 16;

#[test]
fn text_in_text_out() {
    let model = Model::new(&IMAGE.0).expect("an image");
    assert!(model.arena_bytes(&LIMITS) <= ROOM);
    let mut arena = Aligned([0; ROOM]);
    let mut translator = Translator::new(&model, &mut arena.0, LIMITS, Options::default()).unwrap();
    let text = translate::<96>(&mut translator, "Ich bin hier.").expect("room");
    assert!(text.is_ascii() && text.ends_with('.'), "{text}");
    assert!(matches!(translate::<1>(&mut translator, "Ich bin hier."), Err(Error::Output { .. })));
}

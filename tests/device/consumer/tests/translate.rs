//! The `main` of a firmware, run on the host.

use a2d_core::micro::{Arena, Error, Options, Translator};
use consumer::{LIMITS, model, show, translate};

/// Bytes of the arena, more than the model needs.
const ROOM: usize = 1 << 16;

#[test]
fn text_in_text_out() -> Result<(), Error> {
    let model = model()?;
    assert!(model.arena_bytes(&LIMITS) <= ROOM);
    let mut arena = Arena::<ROOM>::new();
    let mut translator = Translator::new(&model, &mut arena, LIMITS, Options::default())?;
    let text = translate::<96>(&mut translator, "Ich bin hier.")?;
    assert!(text.is_ascii() && text.ends_with('.'), "{text}");
    assert!(matches!(translate::<1>(&mut translator, "Ich bin hier."), Err(Error::Output { .. })));
    let mut shown = String::new();
    show(&model, &mut translator, "Ich bin hier.", |piece| shown.push_str(piece))?;
    assert_eq!(shown, text.as_str());
    Ok(())
}

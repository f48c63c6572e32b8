//! What an application crate needs besides a translator: aligned bytes, buffers that are large enough, one error type.

use a2d_core::image::{self, Error as Image, stream_bytes};
use a2d_core::micro::{Arena, Error, Limits, Model, Options, Translator};
use a2d_core::token::{Error as Token, Part};

/// Bytes that would misalign images next to them.
static ODD: [u8; 3] = [1, 2, 3];
static NANO: &[u8] = a2d_core::include_image!("../../fixtures/nano/nano.a2d");
const LIMITS: Limits = Limits { source: 11, target: 14, beam: 1, int8_cache: true };
/// A constant, as the length of an array requires.
const PIECE: usize = stream_bytes(NANO);

#[test]
fn images_and_arenas_are_aligned() {
    static ARENA: Arena<17> = Arena::new();
    let odd = (ODD, Arena::<1>::new(), 1u8, Arena::<3>::new(), 2u8, Arena::<5>::default());
    let starts = [NANO.as_ptr(), ARENA.as_ptr(), odd.1.as_ptr(), odd.3.as_ptr(), odd.5.as_ptr()];
    assert!(starts.iter().all(|start| start.addr().is_multiple_of(image::ALIGN)), "{starts:?}");
    assert_eq!([ARENA.len(), odd.1.len(), odd.3.len()], [17, 1, 3]);
    assert!(Model::<3>::new(NANO).is_ok());
}

#[test]
fn a_buffer_of_constant_length_has_room_for_every_piece_of_a_stream() {
    let model: Model<'_> = Model::new(NANO).expect("an image");
    let tokenizer = model.source().expect("a vocabulary");
    assert_eq!(PIECE, tokenizer.stream_bytes());
    for id in 0..tokenizer.len() as u32 {
        tokenizer.stream().push(id, &mut [0; PIECE]).expect("room");
    }
    // Bytes that are not an image give a short length, without a panic.
    for len in [0, 1, 31, 32, 47, 48, 200, NANO.len() - 1] {
        assert!((9..=PIECE).contains(&stream_bytes(&NANO[..len])), "{len}");
    }
    let mut noise = vec![0xa5; 4096];
    for seed in 0..2000 {
        noise.iter_mut().zip(0..).for_each(|(byte, i)| *byte = a2d_core::rng::bits(seed, i) as u8);
        noise[32..36].copy_from_slice(&2_u32.to_le_bytes());
        noise[36..40].copy_from_slice(&((seed as u32) << 1).to_le_bytes());
        assert!(stream_bytes(&noise) >= 9);
    }
}

#[test]
fn every_error_becomes_one_and_stays_one_line() {
    fn whole(image: &[u8], line: &[u8], arena: &mut [u8], out: &mut [u8]) -> Result<usize, Error> {
        let model: Model<'_> = Model::new(image)?;
        let mut tokens = [0; 64];
        let tokenizer = model.source().ok_or(Error::Tokenizer)?;
        let count = tokenizer.encode_bytes(line, &mut tokens)?;
        let mut translator = Translator::new(&model, arena, LIMITS, Options::default())?;
        let done = translator.translate_tokens(&tokens[..count], &mut [0; 14])?;
        tokenizer.stream().push(500, out)?;
        Ok(done.length)
    }
    let mut arena = Arena::<16_384>::new();
    let bytes = 3 + NANO.len() / 2;
    let cases: [(Result<usize, Error>, Error); 5] = [
        (whole(&NANO[..8], b"", &mut arena, &mut []), Error::Image(Image::Truncated)),
        (whole(&NANO[..bytes], b"", &mut arena, &mut []), Error::Image(Image::Truncated)),
        (whole(NANO, b"ein\xff", &mut arena, &mut []), Error::Utf8 { at: 3 }),
        (whole(NANO, b"Ich", &mut arena[..16], &mut []), Error::Arena { missing: 10_704 }),
        (whole(NANO, b"Ich", &mut arena, &mut []), Error::Token { id: 500 }),
    ];
    for (found, wanted) in cases {
        assert_eq!(found, Err(wanted));
        assert!(!wanted.to_string().contains('\n'));
    }
    let tables = Token::Damaged(Part::Merge, 7);
    assert_eq!(Error::from(Token::Room { needed: 9 }), Error::Output { needed: 9 });
    assert_eq!(Error::from(tables), Error::Image(Image::Tokenizer(tables)));
}

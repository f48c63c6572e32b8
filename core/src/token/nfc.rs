//! Canonical composition (NFC), without a buffer for the result.
//!
//! A starter and the following marks are decomposed, the marks are sorted and composed. The marks are not stored,
//! whatever their number: they are read again once for each combining class among them.

mod table;

use super::hangul;
use super::visible::Visible;

/// The tables of the characters of plane 0 or 1; entries are the lower 16 bits.
struct Plane {
    /// The second characters of all pairs, of any plane, ascending, each with the index of its first pair.
    seconds: &'static [(u32, u16)],
    /// The first character and the composition of each pair, sorted by the second, then by the first character.
    pairs: &'static [[u16; 2]],
    /// The indices of the pairs, sorted by composition.
    order: &'static [u16],
    /// Characters that decompose to two and are never composed: the character, the first, the second.
    apart: &'static [[u16; 3]],
    /// Characters that decompose to one: the character, its decomposition.
    single: &'static [[u16; 2]],
    /// Combining classes other than 0: the first character of a range, the length of the range, the class.
    classes: &'static [(u16, u8, u8)],
}

/// Compatibility ideographs: the first of a range, and the decompositions of the range; 0 for none.
type Ideographs = (u32, &'static [[u8; 3]]);

/// The composed characters of a line.
#[derive(Clone)]
pub(super) struct Composed<'t> {
    rest: Apart<'t>,
    /// The marks after the last starter that were not composed with it.
    marks: Option<Marks<'t>>,
}

impl<'t> Composed<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { rest: Apart::new(text), marks: None }
    }

    /// The next character, if no composition is possible here.
    fn simple(&mut self) -> Option<char> {
        let mut ahead = self.rest.visible.clone();
        let c = ahead.next().filter(|c| self.rest.len == 0 && *c < FIRST_MARK)?;
        let after = ahead.clone().next();
        after.is_none_or(|c| c < FIRST_MARK).then(|| {
            self.rest.visible = ahead;
            c
        })
    }

    /// Composes a starter with the following marks. The other marks are left in `marks`.
    fn join(&mut self, mut starter: char) -> char {
        loop {
            let marks = Marks::new(&self.rest, Some(starter));
            let mut settled = marks.clone();
            let left = settled.by_ref().count() > 0;
            starter = settled.starter.unwrap_or(starter);
            self.rest.skip_marks();
            if left {
                self.marks = Some(marks);
                return starter;
            }
            let mut ahead = self.rest.clone();
            let Some(joined) = ahead.next().and_then(|next| compose(starter, next)) else {
                return starter;
            };
            starter = joined;
            self.rest = ahead;
        }
    }
}

impl Iterator for Composed<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            if let Some(c) = self.marks.as_mut().and_then(Iterator::next) {
                return Some(c);
            }
            self.marks = None;
            if let Some(c) = self.simple() {
                return Some(c);
            }
            let mut ahead = self.rest.clone();
            let first = ahead.next()?;
            if class(first) == 0 {
                self.rest = ahead;
                return Some(self.join(first));
            }
            // Marks without a starter.
            self.marks = Some(Marks::new(&self.rest, None));
            self.rest.skip_marks();
        }
    }
}

/// The marks from a position on, in canonical order, except those that compose with the starter before them.
#[derive(Clone)]
struct Marks<'t> {
    run: Apart<'t>,
    scan: Apart<'t>,
    /// The current combining class.
    class: u8,
    starter: Option<char>,
    /// The class of the last mark that did not compose.
    last: u8,
}

impl<'t> Marks<'t> {
    fn new(run: &Apart<'t>, starter: Option<char>) -> Self {
        Self { run: run.clone(), scan: run.clone(), class: 0, starter, last: 0 }
    }
}

impl Iterator for Marks<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        loop {
            while let Some((c, class)) = self.scan.next_mark() {
                if class != self.class {
                    continue;
                }
                let joined = self.starter.filter(|_| self.last < class);
                match joined.and_then(|starter| compose(starter, c)) {
                    Some(joined) => self.starter = Some(joined),
                    None => {
                        self.last = class;
                        return Some(c);
                    }
                }
            }
            let (mut scan, mut next) = (self.run.clone(), None);
            while let Some((_, class)) = scan.next_mark() {
                let nearer = next.is_none_or(|next| class < next);
                next = if class > self.class && nearer { Some(class) } else { next };
            }
            self.class = next?;
            self.scan = self.run.clone();
        }
    }
}

/// The decomposed characters of a line.
#[derive(Clone)]
struct Apart<'t> {
    visible: Visible<'t>,
    /// The rest of the last decomposition, in reverse order.
    held: [char; 3],
    len: usize,
}

impl<'t> Apart<'t> {
    fn new(text: &'t str) -> Self {
        Self { visible: Visible::new(text), held: ['\0'; 3], len: 0 }
    }

    /// The next character and its class, if it is a mark.
    fn next_mark(&mut self) -> Option<(char, u8)> {
        self.next().map(|c| (c, class(c))).filter(|(_, class)| *class > 0)
    }

    /// Skips to the next starter.
    fn skip_marks(&mut self) {
        let mut ahead = self.clone();
        while ahead.next_mark().is_some() {
            *self = ahead.clone();
        }
    }
}

impl Iterator for Apart<'_> {
    type Item = char;

    fn next(&mut self) -> Option<char> {
        if let Some(len) = self.len.checked_sub(1) {
            self.len = len;
            return self.held.get(len).copied();
        }
        let mut c = self.visible.next()?;
        while let Some((first, second)) = decompose(c) {
            c = first;
            if let (Some(second), Some(slot)) = (second, self.held.get_mut(self.len)) {
                *slot = second;
                self.len = self.len.saturating_add(1);
            }
        }
        Some(c)
    }
}

/// The first character that is a mark or the second of a pair.
const FIRST_MARK: char = '\u{300}';

/// The tables of a character's plane, and the lower 16 bits of the character.
fn place(c: char) -> Option<(&'static Plane, u16)> {
    let code = u32::from(c);
    let plane = table::PLANES.get(usize::try_from(code >> 16).ok()?)?;
    Some((plane, code as u16))
}

/// The character in the plane of `c` with these lower 16 bits.
fn beside(c: char, low: u16) -> Option<char> {
    char::from_u32(u32::from(c) & 0xFFFF_0000 | u32::from(low))
}

/// The combining class of a character.
fn class(c: char) -> u8 {
    let Some((plane, low)) = place(c).filter(|_| c >= FIRST_MARK) else { return 0 };
    let after = plane.classes.partition_point(|(start, ..)| *start <= low);
    let found = after.checked_sub(1).and_then(|at| plane.classes.get(at));
    match found {
        Some((start, count, class)) if low.wrapping_sub(*start) < u16::from(*count) => *class,
        _ => 0,
    }
}

/// The composition of two characters, if any.
fn compose(first: char, second: char) -> Option<char> {
    if let Some(syllable) = hangul::compose(first, second) {
        return Some(syllable);
    }
    let (plane, left) = place(first)?;
    let at = plane.seconds.binary_search_by_key(&u32::from(second), |(second, _)| *second).ok()?;
    let (_, start) = plane.seconds.get(at)?;
    let end = plane.seconds.get(at.saturating_add(1));
    let end = end.map_or(plane.pairs.len(), |(_, end)| usize::from(*end));
    let pairs = plane.pairs.get(usize::from(*start)..end)?;
    let at = pairs.binary_search_by_key(&left, |[first, _]| *first).ok()?;
    pairs.get(at).and_then(|[_, both]| beside(first, *both))
}

/// The decomposition of a character: one character, or two, of which the first may decompose further.
fn decompose(c: char) -> Option<(char, Option<char>)> {
    if c < '\u{C0}' {
        return None;
    }
    if let Some((first, second)) = hangul::decompose(c) {
        return Some((first, Some(second)));
    }
    if let Some(other) = ideograph(c) {
        return Some((other, None));
    }
    let (plane, low) = place(c)?;
    if let Ok(at) = plane.single.binary_search_by_key(&low, |[c, _]| *c) {
        return plane.single.get(at).and_then(|[_, other]| Some((beside(c, *other)?, None)));
    }
    if let Ok(at) = plane.apart.binary_search_by_key(&low, |[c, ..]| *c) {
        let [_, first, second] = plane.apart.get(at)?;
        return Some((beside(c, *first)?, Some(beside(c, *second)?)));
    }
    let (first, second) = pair_of(plane, low)?;
    Some((beside(c, first)?, char::from_u32(second)))
}

/// The two characters of a composition.
fn pair_of(plane: &Plane, both: u16) -> Option<(u16, u32)> {
    let of = |at: &u16| plane.pairs.get(usize::from(*at)).copied().unwrap_or_default();
    let at = plane.order.binary_search_by_key(&both, |at| of(at)[1]).ok()?;
    let at = plane.order.get(at)?;
    let after = plane.seconds.partition_point(|(_, start)| start <= at);
    let (second, _) = plane.seconds.get(after.checked_sub(1)?)?;
    Some((of(at)[0], *second))
}

/// The decomposition of a compatibility ideograph.
fn ideograph(c: char) -> Option<char> {
    let other = table::IDEOGRAPHS.iter().find_map(|(first, others)| {
        others.get(usize::try_from(u32::from(c).checked_sub(*first)?).ok()?)
    });
    let [a, b, c] = *other?;
    char::from_u32(u32::from_le_bytes([a, b, c, 0])).filter(|other| *other != '\0')
}

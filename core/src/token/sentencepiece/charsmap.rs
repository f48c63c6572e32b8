//! The character map of the model: a double array of the texts that are replaced, and their normal forms.

use super::tables::SentencePiece;

impl<'a> SentencePiece<'a> {
    /// The longest entry at the front of `text`: its length and its normal form.
    pub(super) fn mapped(&self, text: &[u8]) -> Option<(usize, &'a [u8])> {
        let mut at = offset(self.unit(0)?);
        let mut found = None;
        for (len, byte) in (1..=usize::from(self.longest_entry)).zip(text) {
            at ^= u32::from(*byte);
            let Some(unit) = self.unit(at) else { break };
            if label(unit) != u32::from(*byte) {
                break;
            }
            at ^= offset(unit);
            if has_value(unit) {
                found = self.unit(at).map(|value| (len, value & !VALUE)).or(found);
            }
        }
        let (len, value) = found?;
        Some((len, self.form(value as usize)?))
    }

    /// The normal form that begins at byte `at`.
    fn form(&self, at: usize) -> Option<&'a [u8]> {
        let forms = self.forms.get(at..)?;
        let end = forms.bytes().position(|byte| byte == 0)?;
        forms.as_bytes().get(..end)
    }

    fn unit(&self, at: u32) -> Option<u32> {
        self.units.get(at as usize).map(|unit| u32::from_le_bytes(*unit))
    }
}

/// The bit of a unit that holds a value.
const VALUE: u32 = 1 << 31;

fn label(unit: u32) -> u32 {
    unit & (VALUE | 0xff)
}

fn has_value(unit: u32) -> bool {
    unit & 1 << 8 != 0
}

/// The distance to the children: 22 bits, of which one scales the others by 256.
fn offset(unit: u32) -> u32 {
    (unit >> 10).wrapping_shl((unit & 1 << 9) >> 6)
}

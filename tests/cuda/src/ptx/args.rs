//! The parts of an instruction: its guard, the words of its name and its operands.

use super::types::Type;

/// The modifiers after the name of an instruction, each to be taken once.
pub struct Words<'a> {
    words: Vec<&'a str>,
}

impl<'a> Words<'a> {
    /// Splits an opcode into its name and its modifiers.
    pub fn new(opcode: &'a str) -> (&'a str, Self) {
        let mut words = opcode.split('.').flat_map(|word| word.split("::"));
        let name = words.next().unwrap_or_default();
        (name, Self { words: words.collect() })
    }

    /// Takes `word` if it is there.
    pub fn take(&mut self, word: &str) -> bool {
        let at = self.words.iter().position(|&w| w == word);
        at.map(|at| self.words.remove(at)).is_some()
    }

    /// Whether `word` is there.
    pub fn has(&self, word: &str) -> bool {
        self.words.contains(&word)
    }

    /// Takes the first word that `read` accepts.
    pub fn find<T>(&mut self, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let (at, found) = self.words.iter().enumerate().find_map(|(at, w)| Some((at, read(w)?)))?;
        self.words.remove(at);
        Some(found)
    }

    /// Takes the first type.
    pub fn ty(&mut self) -> Result<Type, String> {
        self.find(Type::parse).ok_or_else(|| "no type".into())
    }

    /// Fails if a word is left over.
    pub fn done(self) -> Result<(), String> {
        match self.words.first() {
            Some(word) => Err(format!("`.{word}` is not known here")),
            None => Ok(()),
        }
    }
}

/// Splits at commas outside brackets.
pub fn operands(text: &str) -> Vec<&str> {
    let (mut all, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        match c {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth -= 1,
            ',' if depth == 0 => {
                all.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    all.push(text[from..].trim());
    all.retain(|one| !one.is_empty());
    all
}

/// The elements of `{…}`, or the one operand.
pub fn vector(text: &str) -> Vec<&str> {
    match text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        Some(inner) => operands(inner),
        None => vec![text],
    }
}

/// Parses an integer; returns its bits.
pub fn integer(text: &str) -> Option<u64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let digits = digits.trim_end_matches('U');
    let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok()?,
        None => digits.parse().ok()?,
    };
    Some(if negative { value.wrapping_neg() } else { value })
}

/// Parses a number; returns its bits as a `ty`.
pub fn number(text: &str, ty: Type) -> Option<u64> {
    let hex = |prefix: [&str; 2]| prefix.iter().find_map(|prefix| text.strip_prefix(prefix));
    let value = if let Some(single) = hex(["0f", "0F"]) {
        let bits = u32::from_str_radix(single, 16).ok()?;
        if ty.bits == 64 { f64::from(f32::from_bits(bits)).to_bits() } else { u64::from(bits) }
    } else if let Some(double) = hex(["0d", "0D"]) {
        let bits = u64::from_str_radix(double, 16).ok()?;
        if ty.bits == 64 { bits } else { u64::from((f64::from_bits(bits) as f32).to_bits()) }
    } else {
        integer(text)?
    };
    Some(match ty.bits {
        64 => value,
        bits => value & ((1 << bits) - 1),
    })
}

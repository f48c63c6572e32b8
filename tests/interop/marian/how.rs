//! Names of lists of translations: `greedy`, `beam4`, `nbest6`, each with options such as `_max_length_8`.

/// What the name of a list says.
pub struct How {
    /// K
    pub beam: usize,
    /// The most tokens, the start included.
    pub max_length: Option<usize>,
    pub length_penalty: Option<f64>,
    /// Whether `<pad>` has a probability.
    pub has_padding: bool,
    /// Whether there are no options.
    pub is_plain: bool,
}

impl How {
    /// `Err` is what is not supported.
    pub fn parse(name: &str) -> Result<Self, &str> {
        let (head, mut rest) = name.split_once('_').unwrap_or((name, ""));
        let number = |prefix: &str| head.strip_prefix(prefix).and_then(|n| n.parse().ok());
        let beam = number("beam").or(number("nbest")).or((head == "greedy").then_some(1));
        let beam = beam.ok_or(name)?;
        let is_plain = rest.is_empty();
        let mut how =
            Self { beam, max_length: None, length_penalty: None, has_padding: false, is_plain };
        while !rest.is_empty() {
            let option = |name: &str| {
                let rest = rest.strip_prefix(name)?;
                Some(rest.split_once('_').unwrap_or((rest, "")))
            };
            if let Some((number, after)) = option("max_length_") {
                (how.max_length, rest) = (Some(number.parse().unwrap()), after);
            } else if let Some((number, after)) = option("length_penalty_") {
                (how.length_penalty, rest) = (Some(number.parse().unwrap()), after);
            } else if let Some((_, after)) = option("early_stopping") {
                rest = after;
            } else if let Some((_, after)) = option("no_renormalize") {
                (how.has_padding, rest) = (true, after);
            } else {
                return Err(rest);
            }
        }
        Ok(how)
    }
}

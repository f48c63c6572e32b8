//! `vocab.yml`: a line for each token, `TEXT: NUMBER`.

use super::yaml::scalar;

/// The tokens by their number.
///
/// # Errors
///
/// A line has another form, or a number is left out or there twice.
pub fn read(bytes: &[u8]) -> Result<Vec<String>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
    let lines = text.split('\n').map(|line| line.trim_end_matches('\r')).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty());
    let mut tokens = lines
        .map(|(at, line)| {
            token(line).ok_or_else(|| format!("has a line {} that is not `TEXT: NUMBER`", at + 1))
        })
        .collect::<Result<Vec<_>, _>>()?;
    tokens.sort_by_key(|(id, _)| *id);
    match tokens.iter().enumerate().find(|(expected, (id, _))| expected != id) {
        Some((expected, (id, piece))) => {
            Err(format!("gives {piece:?} the number {id}, expected {expected}"))
        }
        None => Ok(tokens.into_iter().map(|(_, piece)| piece).collect()),
    }
}

fn token(line: &str) -> Option<(usize, String)> {
    let (piece, id) = line.rsplit_once(':')?;
    Some((id.trim().parse().ok()?, scalar(piece)))
}

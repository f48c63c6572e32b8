//! The tensors that a teacher hands over, sentence by sentence.

use a2d_core::backend::{Kv, Train};
use a2d_core::kd::Taught;
use a2d_core::needs::Needs;
use a2d_core::nn::{Projections, Site, Trace};
use a2d_core::shape::Shape;

/// What a tensor holds.
#[derive(Clone, Copy)]
enum Content {
    /// The last hidden states of the decoder.
    Last,
    /// Attention maps of a kind.
    Maps(usize),
    /// Hidden states of the encoder (0) or decoder (1).
    States(usize),
    Queries(Site, usize),
    Keys(Site),
    Values(Site),
}

/// The elements that belong to a sentence.
#[derive(Clone, Copy)]
enum Geometry {
    /// The rows of its source (0) or target (1).
    Rows(usize),
    /// A block for the queries of one side and the keys of another.
    Block([usize; 2]),
}

/// One tensor.
#[derive(Clone, Copy)]
struct Piece {
    content: Content,
    /// Elements of a row, or maps.
    width: usize,
}

/// The lengths of source and target, in rows.
pub type Lengths = [usize; 2];

/// The tensors that a teacher hands over, in a fixed order.
pub struct Pieces(Vec<Piece>);

/// The sides of the queries and of the keys of a kind of attention.
const fn sides(kind: usize) -> [usize; 2] {
    match kind {
        0 => [0, 0],
        1 => [1, 1],
        _ => [1, 0],
    }
}

impl Content {
    const fn geometry(self) -> Geometry {
        match self {
            Self::Last => Geometry::Rows(1),
            Self::Maps(kind) => Geometry::Block(sides(kind)),
            Self::States(side) => Geometry::Rows(side),
            Self::Queries(site, _) => Geometry::Rows(sides(site.kind())[0]),
            Self::Keys(site) | Self::Values(site) => Geometry::Rows(sides(site.kind())[1]),
        }
    }
}

impl Piece {
    fn len(&self, lengths: Lengths) -> usize {
        self.width
            * match self.content.geometry() {
                Geometry::Rows(side) => lengths[side],
                Geometry::Block([queries, keys]) => lengths[queries] * lengths[keys],
            }
    }

    /// Appends the elements of a sentence of `own` rows, the last of which are as its padding, as those of one of `rows`.
    fn pad(&self, from: &[f32], own: Lengths, rows: Lengths, out: &mut Vec<f32>) {
        if own == rows {
            return out.extend_from_slice(from);
        }
        match self.content.geometry() {
            Geometry::Rows(side) => pad_rows(from, self.width, rows[side], out),
            Geometry::Block([queries, keys]) => {
                for map in from.chunks_exact(own[queries] * own[keys]) {
                    let row = |query: usize| {
                        let start = query.min(own[queries] - 1) * own[keys];
                        &map[start..start + own[keys]]
                    };
                    (0..rows[queries]).for_each(|query| pad_rows(row(query), 1, rows[keys], out));
                }
            }
        }
    }
}

/// Appends `count` rows: those of `from`, without its last ones or with the last one repeated.
fn pad_rows(from: &[f32], width: usize, count: usize, out: &mut Vec<f32>) {
    let last = from.len() - width;
    out.extend_from_slice(&from[..from.len().min(count * width)]);
    (from.len() / width..count).for_each(|_| out.extend_from_slice(&from[last..]));
}

/// The tensors of `taught` with what they hold.
fn listed<'t, T, const N: usize>(taught: &'t Taught<'_, T, N>) -> Vec<(Content, &'t T)> {
    let seen = &taught.seen;
    let mut list = vec![(Content::Last, &taught.hidden)];
    for (kind, maps) in [&seen.encoder, &seen.decoder, &seen.cross].into_iter().enumerate() {
        list.extend(maps.iter().map(|map| (Content::Maps(kind), map)));
    }
    for (side, states) in [&seen.encoder_hidden, &seen.decoder_hidden].into_iter().enumerate() {
        list.extend(states.iter().map(|state| (Content::States(side), state)));
    }
    for (site, Projections { q, kv, heads }) in &seen.projections {
        let Kv { k, v } = kv;
        list.push((Content::Queries(*site, *heads), q));
        list.extend([(Content::Keys(*site), k), (Content::Values(*site), v)]);
    }
    list
}

impl Pieces {
    /// The tensors of `taught`, which holds sentences of `rows` rows in all.
    pub fn of<B: Train, const N: usize>(b: &B, taught: &Taught<'_, B::Tensor, N>) -> Self {
        let width = |content: Content, shape: Shape| match content {
            Content::Maps(_) => shape.rows(),
            _ => shape.cols(),
        };
        let piece = |(content, tensor): (Content, &B::Tensor)| Piece {
            content,
            width: width(content, b.shape(tensor)),
        };
        Self(listed(taught).into_iter().map(piece).collect())
    }

    /// Elements of a sentence.
    pub fn len(&self, lengths: Lengths) -> usize {
        self.0.iter().map(|piece| piece.len(lengths)).sum()
    }

    /// Cuts what a teacher says of a batch into sentences of `lengths`, with no other rows between them.
    ///
    /// # Errors
    ///
    /// The device was lost.
    pub fn cut<B: Train, const N: usize>(
        &self,
        b: &mut B,
        taught: &Taught<'_, B::Tensor, N>,
        lengths: &[Lengths],
    ) -> Result<Vec<Vec<f32>>, a2d_core::device::Lost> {
        let tensors: Vec<_> = listed(taught).into_iter().map(|(_, tensor)| tensor).collect();
        let mut read: Vec<_> =
            tensors.iter().map(|tensor| vec![0.0; b.shape(tensor).len()]).collect();
        b.read_all(&tensors, &mut read.iter_mut().map(Vec::as_mut_slice).collect::<Vec<_>>())?;
        let mut rest: Vec<_> = read.iter().map(Vec::as_slice).collect();
        let sentence = |lengths: &Lengths| {
            let mut own = Vec::with_capacity(self.len(*lengths));
            for (piece, rest) in self.0.iter().zip(&mut rest) {
                let (first, after) = rest.split_at(piece.len(*lengths));
                own.extend_from_slice(first);
                *rest = after;
            }
            own
        };
        Ok(lengths.iter().map(sentence).collect())
    }

    /// The inverse of [`Pieces::cut`], for sentences of `own` rows in a batch that has `rows` rows of each.
    pub fn join<B: Train>(
        &self,
        b: &mut B,
        needs: Needs,
        sentences: &[Said<'_>],
    ) -> (B::Tensor, Trace<B::Tensor>) {
        let mut rest: Vec<_> = sentences.iter().map(|of| of.values).collect();
        let mut tensors = self.0.iter().map(|piece| {
            let mut data =
                Vec::with_capacity(sentences.iter().map(|of| piece.len(of.rows)).sum::<usize>());
            for (Said { own, rows, .. }, rest) in sentences.iter().zip(&mut rest) {
                let (first, after) = rest.split_at(piece.len(*own));
                piece.pad(first, *own, *rows, &mut data);
                *rest = after;
            }
            let other = data.len() / piece.width.max(1);
            let shape = match piece.content {
                Content::Maps(_) => Shape::matrix(piece.width, other),
                _ => Shape::matrix(other, piece.width),
            };
            (piece.content, b.tensor(&data, shape))
        });
        let (_, last) = tensors.next().expect("a teacher has a last hidden state");
        (last, trace(needs, tensors))
    }
}

/// What a teacher said of a sentence.
pub struct Said<'a> {
    /// All tensors' elements.
    pub values: &'a [f32],
    /// Its rows in `values`.
    pub own: Lengths,
    /// Its rows in the batch.
    pub rows: Lengths,
}

fn trace<T>(needs: Needs, mut tensors: impl Iterator<Item = (Content, T)>) -> Trace<T> {
    let mut seen = Trace::of(needs);
    while let Some((content, tensor)) = tensors.next() {
        match content {
            Content::Maps(0) => seen.encoder.push(tensor),
            Content::Maps(1) => seen.decoder.push(tensor),
            Content::Maps(_) => seen.cross.push(tensor),
            Content::States(0) => seen.encoder_hidden.push(tensor),
            Content::States(_) => seen.decoder_hidden.push(tensor),
            Content::Queries(site, heads) => {
                let mut next = || tensors.next().map(|(_, tensor)| tensor);
                let (Some(k), Some(v)) = (next(), next()) else { break };
                seen.projections.push((site, Projections { q: tensor, kv: Kv { k, v }, heads }));
            }
            Content::Last | Content::Keys(_) | Content::Values(_) => {}
        }
    }
    seen
}
